"""The composition root of the HTTP application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.middleware import Middleware

from flux.clock import Clock, SystemClock
from flux.codec import Codec
from flux.config import Settings
from flux.dispatch.crashes import RetryPolicy
from flux.security import Tokens, is_loopback
from flux.server import problems
from flux.server.access import permission_of
from flux.server.guard import BodyLimit, SameHost
from flux.server.routes import (
    admin,
    checks,
    endpoints,
    executions,
    health,
    live,
    logs,
    reloads,
    runs,
    services,
    waits,
    worker_protocol,
    workers,
    workflows,
)
from flux.server.state import build
from flux.server.version import VERSION
from flux.store import Store

_ROUTERS = (
    runs.router,  # first: the hot ones
    executions.router,
    checks.router,
    workflows.router,
    services.router,
    admin.router,
    endpoints.router,
    workers.router,
    live.router,
    waits.router,
    logs.router,
    reloads.router,
    health.router,
)


def create_app(
    settings: Settings,
    store: Store,
    *,
    clock: Clock | None = None,
    codec: Codec | None = None,
    tokens: Tokens | None = None,
    host: str | None = None,
    routers: Sequence[APIRouter] = (),
) -> FastAPI:
    """The application around an open store. `app.state.services` holds its parts.

    Args:
        tokens: of workers; made from the settings when not given.
        host: what the server is bound to; loopback addresses answer only requests meant for them.
        routers: further routes of other parts, registered before the catch-all ones.

    Example:
        store = await Store.open("sqlite:///:memory:")
        app = create_app(load_settings({}), store)
        async with app.router.lifespan_context(app): ...
    """
    retry = settings.workers
    parts = build(
        store,
        clock or SystemClock(),
        codec or Codec(settings.serializer, settings.signing_key()),
        policy=RetryPolicy(retry.retry_attempts, retry.retry_delay, retry.retry_backoff),
    )
    app = FastAPI(
        title="Flux",
        summary="Durable workflows.",
        version=VERSION,
        lifespan=_lifespan,
        middleware=_middleware(host or settings.server_host),
        redirect_slashes=False,
    )
    app.state.services = parts
    app.state.host = host or settings.server_host
    app.state.tokens = tokens or Tokens(settings.bootstrap_token(), settings.signing_key())
    problems.install(app)
    app.router.routes.extend(worker_protocol.routes)
    for router in (*_ROUTERS, *routers):
        _declare_permissions(router)
        app.include_router(router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with app.state.services.running():
        yield


def _middleware(host: str) -> list[Middleware]:
    guards: list[Middleware] = [Middleware(BodyLimit)]
    if is_loopback(host):
        guards.insert(0, Middleware(SameHost))
    return guards


def _declare_permissions(router: APIRouter) -> None:
    """Show in the OpenAPI document which permission each route needs."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            extra: dict[str, Any] = dict(route.openapi_extra or {})
            route.openapi_extra = {**extra, "x-permission": str(permission_of(route))}
