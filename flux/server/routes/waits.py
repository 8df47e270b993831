"""Everything that waits, across executions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from flux.security import Permission
from flux.server import views
from flux.server.access import needs
from flux.server.bodies import reply
from flux.server.problems import responses
from flux.server.state import Flux
from flux.wire.models import PendingWaitModel

router = APIRouter(tags=["executions"])


@router.get(
    "/waits",
    operation_id="list_waits",
    response_model=list[PendingWaitModel],
    responses=responses(403),
    dependencies=[needs(Permission.EXECUTIONS_READ)],
)
async def list_waits(
    flux: Flux,
    limit: Annotated[int, Query(ge=1, le=5000)] = 500,
    human: Annotated[bool, Query(description="Only those that a person ends.")] = False,
) -> Response:
    """Every open wait, oldest first."""
    return reply([views.wait(one) for one in await flux.store.waits.open(limit, human)])
