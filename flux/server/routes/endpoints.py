"""What services offer: plain calls, input in, output out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from flux.dispatch.records import is_finished, is_settled
from flux.domain import Execution, ExecutionState, WorkflowRef
from flux.errors import ExecutionCancelledError, ExecutionError, FluxError
from flux.security import Permission
from flux.server import offers, views
from flux.server.access import needs
from flux.server.bodies import dumps, json_body, reply
from flux.server.problems import MEDIA_TYPE, problem, responses
from flux.server.sse import Follower, run_frames, stream
from flux.server.state import Flux, Services
from flux.server.waiting import patiently
from flux.wire.models import RunMode
from flux.wire.services import ServiceRun

router = APIRouter(prefix="/services/{service}/{workflow}", tags=["services"])

_BODY: dict[str, Any] = {"requestBody": {"content": {"application/json": {"schema": {}}}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Completed: the output itself, or with `detailed` the execution"},
    202: {"model": ServiceRun, "description": "Accepted (mode async), or paused"},
    **responses(400, 403, 404, 409, 413, 503),
}

Detailed = Annotated[bool, Query(description="Answer with the execution instead of its output.")]
Body = Annotated[Any, Depends(json_body)]
Version = Annotated[int | None, Query(description="Run this version instead of the current one.")]
Key = Annotated[str, Header(alias="Idempotency-Key", description="The same key gives the earlier execution.")]
Wait = Annotated[str | None, Query(description="Id or name of the wait to answer.")]


@dataclass(frozen=True, slots=True)
class Call:
    """A call of an endpoint: which workflow it led to, and how it is to be answered."""

    flux: Services
    request: Request
    service: str
    ref: WorkflowRef
    detailed: bool

    def url(self, verb: str, execution: Execution) -> str:
        """Of the execution, below the endpoint."""
        root = self.request.scope.get("root_path", "")
        return f"{root}/services/{self.service}/{self.ref.name}/{verb}/{execution.id}"


async def _call(flux: Flux, request: Request, service: str, workflow: str, detailed: Detailed = False) -> Call:
    """Dependency: where the path leads."""
    found = await offers.find(flux.store, service, workflow)
    return Call(flux, request, service, found.ref, detailed)


Asked = Annotated[Call, Depends(_call)]


@router.post(
    "",
    operation_id="call_service",
    responses=_ANSWERS,
    dependencies=[needs(Permission.EXECUTIONS_RUN)],
    openapi_extra=_BODY,
)
async def call_service(call: Asked, input: Body, version: Version = None, idempotency_key: Key = "") -> Response:
    """Run a workflow of a service and answer with its output; the body is its JSON input.

    A pause answers 202 with `resume_url`, a failure 500 with its details.
    """
    return await _run(call, "sync", input, version, idempotency_key)


@router.post(
    "/{mode}",
    operation_id="call_service_in_mode",
    responses=_ANSWERS,
    dependencies=[needs(Permission.EXECUTIONS_RUN)],
    openapi_extra=_BODY,
)
async def call_service_in_mode(
    call: Asked, mode: RunMode, input: Body, version: Version = None, idempotency_key: Key = ""
) -> Response:
    """As without a mode (`sync`); `async` answers at once with `status_url`, `stream` with server-sent events."""
    return await _run(call, mode, input, version, idempotency_key)


@router.post(
    "/resume/{execution_id}",
    operation_id="resume_service",
    responses=_ANSWERS,
    dependencies=[needs(Permission.EXECUTIONS_RUN)],
    openapi_extra=_BODY,
)
async def resume_service(call: Asked, execution_id: str, input: Body, wait: Wait = None) -> Response:
    """Answer a paused execution of the endpoint; the body is the answer."""
    return await _resume(call, "sync", execution_id, input, wait)


@router.post(
    "/resume/{execution_id}/{mode}",
    operation_id="resume_service_in_mode",
    responses=_ANSWERS,
    dependencies=[needs(Permission.EXECUTIONS_RUN)],
    openapi_extra=_BODY,
)
async def resume_service_in_mode(
    call: Asked, execution_id: str, mode: RunMode, input: Body, wait: Wait = None
) -> Response:
    """As without a mode (`sync`), in another one."""
    return await _resume(call, mode, execution_id, input, wait)


@router.get(
    "/status/{execution_id}",
    operation_id="get_service_status",
    response_model=ServiceRun,
    responses=responses(403, 404, 409),
    dependencies=[needs(Permission.EXECUTIONS_READ)],
)
async def get_service_status(call: Asked, execution_id: str) -> Response:
    """How an execution of the endpoint stands; 200 whatever its state is."""
    return reply(_view(call, await call.flux.executions.get(execution_id, call.ref)))


async def _run(call: Call, mode: RunMode, input: Any, version: int | None, key: str) -> Response:
    execution = await call.flux.executions.start(call.ref, input, version=version, idempotency_key=key)
    return await _answer(call, execution, mode, after=0)


async def _resume(call: Call, mode: RunMode, execution_id: str, input: Any, wait: str | None) -> Response:
    execution = await call.flux.executions.resume(execution_id, input, wait=wait, ref=call.ref)
    return await _answer(call, execution, mode, after=execution.last_seq)


async def _answer(call: Call, execution: Execution, mode: RunMode, after: int) -> Response:
    if mode == "stream":
        start = execution.state if after else ExecutionState.CREATED
        follower = Follower(call.flux.store, call.flux.bus, execution, after, is_settled)
        return stream(run_frames(follower, start))
    if mode == "async":
        return reply(_view(call, execution), 202)
    return _settled(call, await patiently(call.request, call.flux.executions.settled(execution)))


def _settled(call: Call, execution: Execution) -> Response:
    view = _view(call, execution)
    match execution.state:
        case ExecutionState.COMPLETED:
            return reply(view if call.detailed else view["output"])
        case ExecutionState.PAUSED:
            return reply(view, 202)
        case ExecutionState.CANCELLED:
            return _refused(call, ExecutionCancelledError(), view)
        case _:
            return _refused(call, ExecutionError(message=_why(view["output"])), view)


def _refused(call: Call, error: FluxError, view: dict[str, Any]) -> Response:
    """A problem document with the execution in it."""
    return Response(dumps({**problem(error, call.request.url.path), **view}), error.status, media_type=MEDIA_TYPE)


def _view(call: Call, execution: Execution) -> dict[str, Any]:
    """`ServiceRun`"""
    view = {
        "execution_id": execution.id,
        "state": str(execution.state),
        "output": views.plain(execution.output),
        "namespace": execution.ref.namespace,
        "workflow": execution.ref.name,
    }
    if not is_finished(execution):
        view["status_url"] = call.url("status", execution)
    if execution.state is ExecutionState.PAUSED:
        view["resume_url"] = call.url("resume", execution)
    return view


def _why(output: Any) -> str:
    if not isinstance(output, dict):
        return "The workflow failed."
    said = ": ".join(str(output[name]) for name in ("type", "message") if output.get(name))
    return f"The workflow failed: {said or 'no reason is known'}."
