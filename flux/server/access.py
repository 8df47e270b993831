"""Who may do what: the permission of each route, and the tokens of workers."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.requests import Request

from flux.errors import UnauthorizedError

if TYPE_CHECKING:
    from flux.config import Settings


class Permission(StrEnum):
    PUBLIC = "public"
    WORKFLOWS_READ = "workflows:read"
    WORKFLOWS_WRITE = "workflows:write"
    EXECUTIONS_READ = "executions:read"
    EXECUTIONS_RUN = "executions:run"
    WORKERS_READ = "workers:read"
    WORKERS_CONNECT = "workers:connect"


@dataclass(frozen=True, slots=True)
class Access:
    """The secrets behind worker tokens.

    Attributes:
        bootstrap_token: what a worker shows to register. key: signs session tokens, so that they outlive
            a restart of the server.
    """

    bootstrap_token: str
    key: bytes

    @classmethod
    def of(cls, settings: Settings) -> Access:
        """From the settings and what the home folder keeps."""
        from flux.config.home import Home

        home = Home(settings.home)
        return cls(settings.workers.bootstrap_token or home.bootstrap_token(), home.signing_key())

    def session(self, worker: str) -> str:
        """The session token of a worker."""
        return hmac.new(self.key, f"worker-session:{worker}".encode(), hashlib.sha256).hexdigest()


class Needs:
    """Dependency: the caller has a permission."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, request: Request) -> None:
        """Raises `UnauthorizedError` or `ForbiddenError`."""


def needs(permission: Permission) -> Any:
    """For `dependencies=[…]` of a route."""
    return Depends(Needs(permission))


def permission_of(route: APIRoute) -> Permission | None:
    """What a route declares; None means that it was forgotten."""
    for dependency in route.dependencies:
        if isinstance(dependency.dependency, Needs):
            return dependency.dependency.permission
    return None


def check_bootstrap(request: Request) -> None:
    """Raises `UnauthorizedError` unless the bootstrap token came as Bearer."""
    access: Access = request.app.state.access
    _check(request, access.bootstrap_token, "The bootstrap token is missing or wrong.")


def check_session(request: Request, worker: str) -> None:
    """Raises `UnauthorizedError` unless the worker's session token came as Bearer."""
    access: Access = request.app.state.access
    _check(request, access.session(worker), "The session token is missing or wrong; register again.")


def new_session(request: Request, worker: str) -> str:
    """The session token for a worker that has registered."""
    access: Access = request.app.state.access
    return access.session(worker)


def _check(request: Request, expected: str, message: str) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), expected.encode()):
        raise UnauthorizedError(message)
