"""The calls of the client that are about services."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from flux.wire.services import ServiceCreate, ServiceDetail, ServiceModel, ServiceUpdate

_SERVICES = TypeAdapter(list[ServiceModel])


class ServiceCalls(ABC):
    """One method for each route below `/services` that manages them. Part of `FluxClient`.

    What a service offers needs no client of ours: it is plain HTTP.
    """

    @abstractmethod
    async def _call(self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        """One request, one JSON answer."""

    async def list_services(self) -> list[ServiceModel]:
        """`GET /services`"""
        return _SERVICES.validate_python(await self._call("GET", "/services"))

    async def get_service(self, name: str) -> ServiceDetail:
        """`GET /services/{name}`: with the endpoints that its selectors find"""
        return ServiceDetail.model_validate(await self._call("GET", _path(name)))

    async def create_service(self, service: ServiceCreate) -> ServiceDetail:
        """`POST /services`"""
        return ServiceDetail.model_validate(await self._call("POST", "/services", body=service.model_dump()))

    async def update_service(self, name: str, update: ServiceUpdate) -> ServiceDetail:
        """`PUT /services/{name}`"""
        return ServiceDetail.model_validate(await self._call("PUT", _path(name), body=update.model_dump()))

    async def delete_service(self, name: str) -> None:
        """`DELETE /services/{name}`"""
        await self._call("DELETE", _path(name))


def _path(name: str) -> str:
    return f"/services/{quote(name, safe='')}"
