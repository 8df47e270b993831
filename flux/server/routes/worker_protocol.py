"""The worker protocol (`flux.dispatch.messages`): plain Starlette routes, because they are hot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from flux.dispatch.messages import MEDIA_TYPE, CheckpointAnswer, Session, pack, to_event, unpack
from flux.dispatch.port import (
    Checkpoint,
    ProbeResult,
    Progress,
    Registration,
    ReplayResult,
    RunnerDied,
    ValidationResult,
)
from flux.domain import Inquiry, LogLine
from flux.errors import FluxError, InvalidInputError
from flux.security import Permission
from flux.server.access import check_bootstrap, check_session, new_session
from flux.server.port import EmbeddedPort
from flux.server.problems import problem
from flux.server.sse import KEEPALIVE, raw_frame, stream

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]

_PING = raw_frame(b"{}", event="ping")


async def register(request: Request) -> Response:
    """`POST /workers/register`: bootstrap token in, session token out."""
    check_bootstrap(request)
    registration = await _body(request, Registration)
    await _port(request).register(registration, embedded=False)
    return _packed(Session(registration.name, new_session(request, registration.name)))


async def connect(request: Request) -> Response:
    """`GET /workers/{name}/connect`: deliveries as server-sent events."""
    name = _worker(request)
    _port(request).known(name)
    return stream(_deliveries(_port(request), name))


async def claim(request: Request) -> Response:
    """`POST /workers/{name}/claim/{execution_id}`"""
    return _packed(await _port(request).claim(_worker(request), request.path_params["execution_id"]))


async def checkpoint(request: Request) -> Response:
    """`POST /workers/{name}/checkpoint/{execution_id}`"""
    name, batch = _worker(request), await _body(request, Checkpoint)
    return _packed(await _port(request).checkpoint(name, batch))


async def checkpoints(request: Request) -> Response:
    """`POST /workers/{name}/checkpoints`: many executions in one request and one commit."""
    name, batches = _worker(request), await _body(request, list[Checkpoint])
    answers = await asyncio.gather(*(_answer(_port(request), name, batch) for batch in batches))
    return _packed(answers)


async def bundle(request: Request) -> Response:
    """`GET /workers/{name}/bundles/{digest}`"""
    return _packed(await _port(request).bundle(_worker(request), request.path_params["digest"]))


async def ask(request: Request) -> Response:
    """`POST /workers/{name}/ask/{execution_id}`"""
    name, inquiry = _worker(request), await _body(request, Inquiry)
    return _packed(await _port(request).ask(name, request.path_params["execution_id"], inquiry))


async def heartbeat(request: Request) -> Response:
    """`POST /workers/{name}/heartbeat`"""
    name, running = _worker(request), await _body(request, list[str])
    await _port(request).heartbeat(name, running)
    return _done()


async def progress(request: Request) -> Response:
    """`POST /workers/{name}/progress`"""
    name, value = _worker(request), await _body(request, Progress)
    await _port(request).progress(name, value)
    return _done()


async def logs(request: Request) -> Response:
    """`POST /workers/{name}/logs`"""
    name, lines = _worker(request), await _body(request, list[LogLine])
    await _port(request).logs(name, lines)
    return _done()


async def died(request: Request) -> Response:
    """`POST /workers/{name}/died`"""
    name, death = _worker(request), await _body(request, RunnerDied)
    await _port(request).died(name, death)
    return _done()


async def validated(request: Request) -> Response:
    """`POST /workers/{name}/validated`"""
    name, result = _worker(request), await _body(request, ValidationResult)
    await _port(request).validated(name, result)
    return _done()


async def probed(request: Request) -> Response:
    """`POST /workers/{name}/probed`"""
    name, result = _worker(request), await _body(request, ProbeResult)
    await _port(request).probed(name, result)
    return _done()


async def history(request: Request) -> Response:
    """`GET /workers/{name}/histories/{execution_id}/{after}`"""
    name, params = _worker(request), request.path_params
    return _packed(await _port(request).history(name, params["execution_id"], params["after"]))


async def replayed(request: Request) -> Response:
    """`POST /workers/{name}/replayed`"""
    name, result = _worker(request), await _body(request, ReplayResult)
    await _port(request).replayed(name, result)
    return _done()


async def leave(request: Request) -> Response:
    """`POST /workers/{name}/leave`"""
    await _port(request).leave(_worker(request))
    return _done()


def _route(path: str, handler: Handler, method: str = "POST") -> Route:
    route = Route(path, handler, methods=[method])
    vars(handler)["permission"] = Permission.WORKERS_CONNECT
    return route


routes: Sequence[Route] = (
    _route("/workers/register", register),
    _route("/workers/{name}/connect", connect, "GET"),
    _route("/workers/{name}/claim/{execution_id}", claim),
    _route("/workers/{name}/checkpoint/{execution_id}", checkpoint),
    _route("/workers/{name}/checkpoints", checkpoints),
    _route("/workers/{name}/bundles/{digest}", bundle, "GET"),
    _route("/workers/{name}/ask/{execution_id}", ask),
    _route("/workers/{name}/heartbeat", heartbeat),
    _route("/workers/{name}/progress", progress),
    _route("/workers/{name}/logs", logs),
    _route("/workers/{name}/died", died),
    _route("/workers/{name}/validated", validated),
    _route("/workers/{name}/probed", probed),
    _route("/workers/{name}/histories/{execution_id}/{after:int}", history, "GET"),
    _route("/workers/{name}/replayed", replayed),
    _route("/workers/{name}/leave", leave),
)


async def _deliveries(port: EmbeddedPort, name: str) -> AsyncIterator[bytes]:
    yield _PING
    async for batch in port.batches(name, KEEPALIVE):
        yield b"".join(_frame(*to_event(delivery)) for delivery in batch) or _PING


async def _answer(port: EmbeddedPort, name: str, batch: Checkpoint) -> CheckpointAnswer:
    try:
        return CheckpointAnswer(acknowledged=await port.checkpoint(name, batch))
    except FluxError as error:
        return CheckpointAnswer(problem=problem(error))


async def _body(request: Request, type_: type[T]) -> T:
    try:
        return unpack(await request.body(), type_)
    except msgspec.MsgspecError as error:
        raise InvalidInputError(f"The body is not what this route takes: {error}.") from None


def _worker(request: Request) -> str:
    name: str = request.path_params["name"]
    check_session(request, name)
    return name


def _port(request: Request) -> EmbeddedPort:
    port: EmbeddedPort = request.app.state.services.port
    return port


def _frame(event: str, data: bytes) -> bytes:
    return raw_frame(data, event=event)


def _packed(value: Any) -> Response:
    return Response(pack(value), media_type=MEDIA_TYPE)


def _done() -> Response:
    return Response(status_code=204)
