"""Replaying stored histories against code, to know what it would break."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from flux.dispatch.replaying import LIVE
from flux.domain import ExecutionState
from flux.domain.verdict import Outcome
from flux.security import Permission
from flux.server import views
from flux.server.access import needs
from flux.server.bodies import reply
from flux.server.problems import responses
from flux.server.publishing import bundle_from
from flux.server.refs import Ref
from flux.server.state import Flux
from flux.wire.models import CheckReport, Publication

router = APIRouter(tags=["workflows"])


@router.post(
    "/workflows/{ref:ref}/check",
    operation_id="check_workflow",
    response_model=CheckReport,
    responses=responses(400, 403, 404, 413, 503),
    dependencies=[needs(Permission.WORKFLOWS_WRITE)],
)
async def check_workflow(
    flux: Flux,
    ref: Ref,
    publication: Publication | None = None,
    finished: Annotated[bool, Query(description="Finished executions too.")] = False,
    version: Annotated[int | None, Query(description="Check this version, not the newest.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(description="Go on where an earlier answer ended.")] = None,
) -> Response:
    """Which executions would leave their history with a version, or with the source in the body.

    A worker replays them in a process of its own: no task runs and nothing is written.
    """
    if publication is None:
        found = await flux.store.catalog.get(ref, version)
        bundle, number = await flux.store.catalog.bundle(found.digest), found.version
    else:
        bundle, number = bundle_from(publication), 0
    states = frozenset(ExecutionState) if finished else LIVE
    checked = await flux.replays.check(ref, bundle, states=states, limit=limit, cursor=cursor)
    return reply(
        {
            "namespace": ref.namespace,
            "workflow": ref.name,
            "version": number,
            "path": bundle.path,
            "diverging": sum(verdict.outcome is Outcome.DIVERGES for _, verdict in checked.found),
            "executions": [views.checked(*one) for one in checked.found],
            "next_cursor": checked.next_cursor,
        }
    )
