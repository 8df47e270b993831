"""What every request passes first: body limits, and Host and Origin on loopback binds."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flux.errors import FluxError, ForbiddenError
from flux.server.problems import respond

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

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
            error = self._refusal(headers.get("host", ""), headers.get("origin"))
            if error is not None:
                await respond(error, scope["path"])(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, host: str, origin: str | None) -> ForbiddenError | None:
        if _hostname(f"//{host}") not in self._hosts:
            return ForbiddenError(f"Host '{host}' is not this server.", hint="Use http://localhost and its port.")
        if origin is not None and _hostname(origin) not in self._hosts:
            return ForbiddenError(f"Origin '{origin}' may not call this server.")
        return None


def is_loopback(host: str) -> bool:
    """Whether a server bound to this address is reached from the same machine only.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
        (True, False)
    """
    return host in LOOPBACK or host.startswith("127.")


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"The body is larger than {limit // (1024 * 1024)} MiB.")
