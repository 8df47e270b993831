"""Services as they stand: their selectors, resolved against the catalog at each request."""

from __future__ import annotations

import contextlib
from typing import Any

from flux.clock import to_datetime
from flux.domain import Service
from flux.errors import WorkflowNotFoundError
from flux.services import Endpoint, Offer, candidates, resolve
from flux.store import Store


async def offer(store: Store, service: Service) -> Offer:
    """Everything that a service offers."""
    return resolve(service, await store.catalog.list())


async def find(store: Store, name: str, workflow: str) -> Endpoint:
    """Where one name of a service leads.

    Raises `ServiceNotFoundError`, `EndpointNotFoundError` and `EndpointCollisionError`.
    """
    service = await store.services.get(name)
    listing = []
    for ref in candidates(service, workflow):
        with contextlib.suppress(WorkflowNotFoundError):
            listing.append(await store.catalog.get(ref))
    return resolve(service, listing).endpoint(workflow)


def summary(service: Service) -> dict[str, Any]:
    """`ServiceModel`"""
    return {
        "name": service.name,
        "namespaces": list(service.namespaces),
        "workflows": [str(ref) for ref in service.workflows],
        "exclusions": [str(ref) for ref in service.exclusions],
        "mcp_enabled": service.mcp_enabled,
        "created_at": to_datetime(service.created_at),
        "updated_at": to_datetime(service.updated_at),
    }


def detail(service: Service, found: Offer) -> dict[str, Any]:
    """`ServiceDetail`"""
    return {
        **summary(service),
        "endpoints": [_endpoint(one) for one in found.endpoints.values()],
        "collisions": [
            {"name": name, "workflows": [str(ref) for ref in refs]} for name, refs in found.collisions.items()
        ],
    }


def _endpoint(one: Endpoint) -> dict[str, Any]:
    return {
        "name": one.name,
        "path": one.path,
        "namespace": one.ref.namespace,
        "workflow": one.ref.name,
        "version": one.version,
        "description": one.description,
        "input_schema": one.input_schema,
    }
