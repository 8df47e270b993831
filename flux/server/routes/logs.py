"""Captured output."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from flux.security import Permission
from flux.server import views
from flux.server.access import needs
from flux.server.bodies import reply
from flux.server.problems import responses
from flux.server.state import Flux
from flux.wire.models import LogPage

router = APIRouter(tags=["logs"])


@router.get(
    "/logs",
    operation_id="read_logs",
    response_model=LogPage,
    responses=responses(403),
    dependencies=[needs(Permission.EXECUTIONS_READ)],
)
async def read_logs(
    flux: Flux,
    execution_id: Annotated[str | None, Query()] = None,
    after: Annotated[int, Query(ge=0, description="Only lines with a greater id.")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> Response:
    """Lines in order: of one execution, or the newest of everything."""
    lines = await flux.store.logs.read(execution_id, after=after, limit=limit)
    return reply({"lines": [views.log_line(line) for line in lines]})
