"""Executions across workflows: list, look, answer, cancel."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request, Response

from flux.dispatch.records import is_finished
from flux.domain import Execution, ExecutionState
from flux.domain.snapshot import snapshot
from flux.errors import InvalidInputError
from flux.security import Permission
from flux.server import views
from flux.server.access import needs
from flux.server.bodies import reply
from flux.server.problems import responses
from flux.server.routes.runs import JSON_BODY, Body, Detailed, shown
from flux.server.sse import STREAM_DOCS, Follower, event_frames, stream
from flux.server.state import Flux
from flux.server.waiting import patiently
from flux.store import ExecutionFilter
from flux.wire.models import EventPage, ExecutionDetail, ExecutionPage, ExecutionSnapshot, PendingWaitModel

router = APIRouter(prefix="/executions", tags=["executions"])

Mode = Literal["sync", "async"]


@router.get(
    "",
    operation_id="list_executions",
    response_model=ExecutionPage,
    responses=responses(400, 403, 404),
    dependencies=[needs(Permission.EXECUTIONS_READ)],
)
async def list_executions(
    flux: Flux,
    state: Annotated[list[str] | None, Query(description="One or more, repeated or separated by commas.")] = None,
    workflow: Annotated[str | None, Query(description="`name` or `namespace/name`")] = None,
    namespace: Annotated[str | None, Query()] = None,
    parent: Annotated[str | None, Query(description="Only what this execution has started.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
) -> Response:
    """Executions, newest first."""
    started_by = None if parent is None else (await flux.executions.get(parent)).id
    wanted = ExecutionFilter(states=_states(state or []), parent=started_by, **_workflow(workflow, namespace))
    page = await flux.store.executions.list(wanted, limit=limit, cursor=cursor)
    return reply(
        {
            "executions": [views.execution(one, brief=True) for one in page.items],
            "next_cursor": page.next_cursor,
            "total": page.total,
        }
    )


@router.get(
    "/{execution_id}",
    operation_id="get_execution",
    response_model=ExecutionSnapshot | ExecutionDetail,
    responses=responses(403, 404, 409),
    dependencies=[needs(Permission.EXECUTIONS_READ)],
)
async def get_execution(
    flux: Flux,
    execution_id: str,
    detailed: Detailed = False,
    at: Annotated[int | None, Query(description="Seq of an event: how it stood behind that one.")] = None,
) -> Response:
    """How an execution stands, and what it has started; with `at` how it stood then."""
    execution = await flux.executions.get(execution_id)
    if at is not None:
        return await _stood(flux, execution, at)
    return await shown(flux, execution, detailed, family=True)


@router.get(
    "/{execution_id}/events",
    operation_id="get_execution_events",
    response_model=EventPage,
    responses={200: STREAM_DOCS, **responses(403, 404, 409)},
    dependencies=[needs(Permission.EXECUTIONS_READ)],
)
async def get_execution_events(
    flux: Flux,
    execution_id: str,
    after: Annotated[int, Query(ge=0, description="Only events with a greater seq.")] = 0,
    accept: Annotated[str, Header()] = "",
    last_event_id: Annotated[int | None, Header()] = None,
) -> Response:
    """The events in order; with `Accept: text/event-stream` live until the execution is finished."""
    execution = await flux.executions.get(execution_id)
    if "text/event-stream" in accept:
        after = after if last_event_id is None else last_event_id
        return stream(event_frames(Follower(flux.store, flux.bus, execution, after)))
    events = await flux.store.executions.history(execution.id, after=after)
    return reply({"events": [views.event(event) for event in events]})


@router.post(
    "/{execution_id}/cancel",
    operation_id="cancel_execution",
    response_model=ExecutionDetail,
    responses=responses(403, 404, 409, 503),
    dependencies=[needs(Permission.EXECUTIONS_RUN)],
)
async def cancel_execution(
    flux: Flux, request: Request, execution_id: str, mode: Mode = "async", detailed: Detailed = False
) -> Response:
    """Cancel an execution; `sync` answers when it has ended."""
    execution = await flux.executions.cancel(execution_id)
    if mode == "sync":
        execution = await patiently(request, flux.executions.settled(execution, is_finished))
    return await shown(flux, execution, detailed)


@router.post(
    "/{execution_id}/resume",
    operation_id="resume_execution",
    response_model=ExecutionDetail,
    responses=responses(400, 403, 404, 409, 413, 503),
    dependencies=[needs(Permission.EXECUTIONS_RUN)],
    openapi_extra=JSON_BODY,
)
async def resume_execution(
    flux: Flux,
    request: Request,
    execution_id: str,
    input: Body,
    wait: Annotated[str | None, Query(description="Id or name of the wait to answer.")] = None,
    mode: Mode = "async",
    detailed: Detailed = False,
) -> Response:
    """Answer a paused execution; the body is the answer. `sync` answers when it is finished or paused again."""
    execution = await flux.executions.resume(execution_id, input, wait=wait)
    if mode == "async":
        return await shown(flux, execution, detailed, 202)
    execution = await patiently(request, flux.executions.settled(execution))
    return await shown(flux, execution, detailed)


@router.get(
    "/{execution_id}/pending",
    operation_id="get_pending",
    response_model=list[PendingWaitModel],
    responses=responses(403, 404, 409),
    dependencies=[needs(Permission.EXECUTIONS_READ)],
)
async def get_pending(flux: Flux, execution_id: str) -> Response:
    """What the execution waits for, with the schema of the answer; then what the children that it waits for do."""
    execution = await flux.executions.get(execution_id)
    return reply([views.wait(one) for one in await flux.store.waits.pending(execution.id)])


async def _stood(flux: Flux, execution: Execution, at: int) -> Response:
    """How an execution stood behind its event `at`."""
    if not 1 <= at <= execution.last_seq:
        message = f"{at} is not an event of this execution: they are numbered from 1 to {execution.last_seq}"
        raise InvalidInputError(errors=[{"loc": ["query", "at"], "msg": message, "type": "range"}])
    events = await flux.store.executions.history(execution.id, limit=at)
    return reply(views.snapshot(snapshot(execution, events), events[-1], execution.last_seq))


def _states(texts: list[str]) -> tuple[ExecutionState, ...]:
    names = [name.strip().upper() for text in texts for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in ExecutionState.__members__]
    if unknown:
        allowed = ", ".join(ExecutionState)
        raise InvalidInputError(
            errors=[{"loc": ["query", "state"], "msg": f"{unknown[0]} is not one of {allowed}", "type": "enum"}]
        )
    return tuple(ExecutionState(name) for name in names)


def _workflow(workflow: str | None, namespace: str | None) -> dict[str, str | None]:
    if workflow and "/" in workflow:
        namespace, _, workflow = workflow.partition("/")
    return {"workflow": workflow or None, "namespace": namespace or None}
