"""What every request passes first: body limits, and Host and Origin on loopback binds."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flux.errors import FluxError, ForbiddenError
from flux.security import LOOPBACK, refusal
from flux.server.problems import respond

BODY_LIMIT = 16 * 1024 * 1024
"""Bytes of a request body; worker routes carry batches and may have four times that."""


class BodyTooLargeError(FluxError):
    """The request body is too large."""

    code = "body_too_large"
    status = 413


class BodyLimit:
    """Refuses bodies over the limit, announced or not."""

    def __init__(self, app: ASGIApp, limit: int = BODY_LIMIT) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        limit = self._limit * (4 if scope["path"].startswith("/workers/") else 1)
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdigit() and int(announced) > limit:
            await respond(_too_large(limit), scope["path"])(scope, receive, send)
            return
        received = 0

        async def counting() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise _too_large(limit)
            return message

        await self._app(scope, counting, send)


class SameHost:
    """Refuses requests that a browser was tricked into (DNS rebinding, foreign origins).

    For servers that listen on loopback only: a name that is not loopback, or an Origin of another
    site, is never ours.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str] = LOOPBACK) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            reason = refusal(headers.get("host", ""), headers.get("origin"), self._hosts)
            if reason:
                error = ForbiddenError(reason, hint="Call it as http://localhost with its port.")
                await respond(error, scope["path"])(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"The body is larger than {limit // (1024 * 1024)} MiB.")
