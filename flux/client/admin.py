"""The calls of the client that are about secrets and configs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from flux.wire.admin import ConfigModel, Done, SecretModel

_NAMES = TypeAdapter(list[str])


class AdminCalls(ABC):
    """One method for each route below `/admin`. Part of `FluxClient`."""

    @abstractmethod
    async def _call(self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        """One request, one JSON answer."""

    async def list_secrets(self) -> list[str]:
        """`GET /admin/secrets`: their names"""
        return _NAMES.validate_python(await self._call("GET", "/admin/secrets"))

    async def set_secret(self, name: str, value: str) -> Done:
        """`POST /admin/secrets`"""
        return Done.model_validate(await self._call("POST", "/admin/secrets", body={"name": name, "value": value}))

    async def get_secret(self, name: str) -> SecretModel:
        """`GET /admin/secrets/{name}`: with its value"""
        return SecretModel.model_validate(await self._call("GET", _path("secrets", name)))

    async def delete_secret(self, name: str) -> Done:
        """`DELETE /admin/secrets/{name}`"""
        return Done.model_validate(await self._call("DELETE", _path("secrets", name)))

    async def list_configs(self) -> list[str]:
        """`GET /admin/configs`: their names"""
        return _NAMES.validate_python(await self._call("GET", "/admin/configs"))

    async def set_config(self, name: str, value: Any) -> Done:
        """`POST /admin/configs`"""
        return Done.model_validate(await self._call("POST", "/admin/configs", body={"name": name, "value": value}))

    async def get_config(self, name: str) -> ConfigModel:
        """`GET /admin/configs/{name}`"""
        return ConfigModel.model_validate(await self._call("GET", _path("configs", name)))

    async def delete_config(self, name: str) -> Done:
        """`DELETE /admin/configs/{name}`"""
        return Done.model_validate(await self._call("DELETE", _path("configs", name)))


def _path(kind: str, name: str) -> str:
    return f"/admin/{kind}/{quote(name, safe='')}"
