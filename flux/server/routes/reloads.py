"""What came of checking watched files."""

from __future__ import annotations

from fastapi import APIRouter, Response

from flux.dispatch.bus import Reloaded
from flux.security import Permission
from flux.server.access import needs
from flux.server.problems import responses
from flux.server.state import Flux
from flux.wire.models import ReloadModel

router = APIRouter(prefix="/reloads", tags=["reloads"])


@router.post(
    "",
    operation_id="report_reload",
    status_code=204,
    response_model=None,
    responses=responses(400, 403),
    dependencies=[needs(Permission.WORKFLOWS_WRITE)],
)
async def report_reload(flux: Flux, reload: ReloadModel) -> Response:
    """The watcher tells everyone what came of a save."""
    flux.reloads[reload.path] = reload
    flux.bus.publish(Reloaded(reload))
    return Response(status_code=204)


@router.get(
    "",
    operation_id="list_reloads",
    response_model=list[ReloadModel],
    responses=responses(403),
    dependencies=[needs(Permission.WORKFLOWS_READ)],
)
async def list_reloads(flux: Flux) -> list[ReloadModel]:
    """The newest result of each watched file."""
    return sorted(flux.reloads.values(), key=lambda one: one.path)
