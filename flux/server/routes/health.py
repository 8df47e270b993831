"""Liveness and readiness."""

from __future__ import annotations

from fastapi import APIRouter, Response

from flux.errors import StoreError
from flux.security import Permission
from flux.server.access import needs
from flux.server.bodies import reply
from flux.server.problems import responses
from flux.server.state import Flux, Services
from flux.server.version import VERSION
from flux.wire.models import Health, Ready

router = APIRouter(tags=["health"])


@router.get(
    "/health",
    operation_id="get_health",
    response_model=Health,
    responses=responses(),
    dependencies=[needs(Permission.PUBLIC)],
)
async def get_health(flux: Flux) -> Response:
    """The process answers."""
    return reply({"status": "healthy", "database": await _database(flux), "version": VERSION})


@router.get(
    "/ready",
    operation_id="get_ready",
    response_model=Ready,
    responses={503: {"model": Ready, "description": "Not yet"}, **responses()},
    dependencies=[needs(Permission.PUBLIC)],
)
async def get_ready(flux: Flux) -> Response:
    """The store answers and, where one is expected, a worker is online."""
    database, workers = await _database(flux), len(flux.presence.online())
    ready = database and (workers > 0 or not flux.expects_workers)
    status = "ready" if ready else "starting"
    return reply({"status": status, "database": database, "workers": workers}, 200 if ready else 503)


async def _database(flux: Services) -> bool:
    try:
        await flux.store.executions.last_position()
    except StoreError:
        return False
    return True
