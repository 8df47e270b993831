"""Run, resume, look at and cancel executions by their workflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Depends, Query, Request, Response

from flux.dispatch.records import is_finished, is_settled
from flux.domain import Execution, ExecutionState, WorkflowRef
from flux.errors import InvalidInputError
from flux.security import Permission
from flux.server import views
from flux.server.access import needs
from flux.server.bodies import json_body, loads, reply
from flux.server.problems import responses
from flux.server.refs import Ref
from flux.server.sse import Follower, run_frames, stream
from flux.server.state import Flux, Services
from flux.server.waiting import patiently
from flux.wire.models import ExecutionDetail, ExecutionSummary, RunMode

router = APIRouter(tags=["runs"])

JSON_BODY: dict[str, Any] = {"requestBody": {"content": {"application/json": {"schema": {}}}}}

_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}

_RUN_PARAMETERS = [
    {
        "name": "ref",
        "in": "path",
        "required": True,
        "description": "`name` or `namespace/name`",
        "schema": {"type": "string"},
    },
    {"name": "mode", "in": "path", "required": True, "schema": {"type": "string", "enum": list(get_args(RunMode))}},
    {"name": "detailed", "in": "query", "description": "Add the events.", "schema": {"type": "boolean"}},
    {
        "name": "version",
        "in": "query",
        "description": "Run this version instead of the current one.",
        "schema": {"type": "integer"},
    },
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key gives the earlier execution.",
        "schema": {"type": "string"},
    },
]


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a run asks for. Read by hand: this is the hottest route, and the framework takes longer."""

    ref: WorkflowRef
    mode: str
    detailed: bool
    version: int | None
    idempotency_key: str

    @classmethod
    def of(cls, request: Request) -> RunRequest:
        """Raises `InvalidInputError` naming the wrong parameter."""
        query, path = request.query_params, request.path_params
        mode, version, detailed = path["mode"], query.get("version"), query.get("detailed", "false").lower()
        if mode not in get_args(RunMode):
            raise _wrong("path", "mode", f"{mode} is not one of {', '.join(get_args(RunMode))}")
        if version is not None and not (version.isascii() and version.isdigit() and len(version) < 10):
            raise _wrong("query", "version", f"{version} is not a version number")
        if detailed not in _BOOLEANS:
            raise _wrong("query", "detailed", f"{detailed} is neither true nor false")
        return cls(
            WorkflowRef.parse(path["ref"]),
            mode,
            _BOOLEANS[detailed],
            None if version is None else int(version),
            request.headers.get("idempotency-key", ""),
        )


Detailed = Annotated[bool, Query(description="Add the events.")]
Body = Annotated[Any, Depends(json_body)]


@router.post(
    "/workflows/{ref:ref}/run/{mode}",
    operation_id="run_workflow",
    response_model=ExecutionDetail,
    responses={
        202: {"model": ExecutionSummary, "description": "Accepted (mode async)"},
        **responses(400, 403, 404, 413, 503),
    },
    dependencies=[needs(Permission.EXECUTIONS_RUN)],
    openapi_extra={**JSON_BODY, "parameters": _RUN_PARAMETERS},
)
async def run_workflow(request: Request) -> Response:
    """Start a workflow; the body is its JSON input.

    `sync` answers when it is finished or paused, `async` at once, `stream` with server-sent events.
    """
    flux: Services = request.app.state.services
    asked = RunRequest.of(request)
    input = loads(await request.body())
    execution = await flux.executions.start(
        asked.ref, input, version=asked.version, idempotency_key=asked.idempotency_key
    )
    if asked.mode == "stream":
        return _streamed(flux, execution, after=0)
    return await _answer(flux, request, execution, asked.mode, asked.detailed)


@router.post(
    "/workflows/{ref:ref}/resume/{execution_id}/{mode}",
    operation_id="resume_workflow",
    response_model=ExecutionDetail,
    responses={
        202: {"model": ExecutionSummary, "description": "Accepted (mode async)"},
        **responses(400, 403, 404, 409, 413, 503),
    },
    dependencies=[needs(Permission.EXECUTIONS_RUN)],
    openapi_extra=JSON_BODY,
)
async def resume_workflow(
    flux: Flux,
    request: Request,
    ref: Ref,
    execution_id: str,
    mode: RunMode,
    input: Body,
    detailed: Detailed = False,
    wait: Annotated[str | None, Query(description="Id or name of the wait to answer.")] = None,
) -> Response:
    """Answer a paused execution; the body is the answer."""
    execution = await flux.executions.resume(execution_id, input, wait=wait, ref=ref)
    if mode == "stream":
        return _streamed(flux, execution, after=execution.last_seq)
    return await _answer(flux, request, execution, mode, detailed)


@router.get(
    "/workflows/{ref:ref}/status/{execution_id}",
    operation_id="get_workflow_status",
    response_model=ExecutionDetail,
    responses=responses(403, 404, 409),
    dependencies=[needs(Permission.EXECUTIONS_READ)],
)
async def get_workflow_status(flux: Flux, ref: Ref, execution_id: str, detailed: Detailed = False) -> Response:
    """How an execution of the workflow stands."""
    return await shown(flux, await flux.executions.get(execution_id, ref), detailed, family=True)


@router.post(
    "/workflows/{ref:ref}/cancel/{execution_id}",
    operation_id="cancel_workflow",
    response_model=ExecutionDetail,
    responses=responses(403, 404, 409, 503),
    dependencies=[needs(Permission.EXECUTIONS_RUN)],
)
@router.get(
    "/workflows/{ref:ref}/cancel/{execution_id}",
    operation_id="cancel_workflow_by_get",
    deprecated=True,
    response_model=ExecutionDetail,
    responses=responses(403, 404, 409, 503),
    dependencies=[needs(Permission.EXECUTIONS_RUN)],
)
async def cancel_workflow(
    flux: Flux,
    request: Request,
    ref: Ref,
    execution_id: str,
    mode: Literal["sync", "async"] = "async",
    detailed: Detailed = False,
) -> Response:
    """Cancel an execution of the workflow; `sync` answers when it has ended."""
    execution = await flux.executions.cancel(execution_id, ref=ref)
    if mode == "sync":
        execution = await patiently(request, flux.executions.settled(execution, is_finished))
    return await shown(flux, execution, detailed)


def _wrong(place: str, name: str, message: str) -> InvalidInputError:
    return InvalidInputError(errors=[{"loc": [place, name], "msg": message, "type": "value_error"}])


async def shown(
    flux: Services, execution: Execution, detailed: bool, status: int = 200, *, family: bool = False
) -> Response:
    """The response for an execution, with its events if they were asked for, and with its children."""
    body = views.execution(execution)
    if family:
        body["children"] = [views.child(child) for child in await flux.store.executions.children(execution.id)]
    if detailed:
        events = await flux.store.executions.history(execution.id)
        body["events"] = [views.event(event) for event in events]
    return reply(body, status)


async def _answer(flux: Services, request: Request, execution: Execution, mode: str, detailed: bool) -> Response:
    if mode == "async":
        return await shown(flux, execution, detailed, 202)
    execution = await patiently(request, flux.executions.settled(execution))
    return await shown(flux, execution, detailed)


def _streamed(flux: Services, execution: Execution, after: int) -> Response:
    start = execution.state if after else ExecutionState.CREATED
    return stream(run_frames(Follower(flux.store, flux.bus, execution, after, is_settled), start))
