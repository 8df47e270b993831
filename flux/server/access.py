"""Who may do what: the permission that each route declares, and the tokens of workers."""

from __future__ import annotations

from typing import Any

from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.requests import Request

from flux.security import Permission, Tokens, bearer


class Needs:
    """Dependency: the caller has a permission.

    While authentication is off everybody has every permission; routes declare theirs all the same.
    """

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
    _tokens(request).check_bootstrap(bearer(request.headers.get("authorization")))


def check_session(request: Request, worker: str) -> None:
    """Raises `UnauthorizedError` unless the worker's session token came as Bearer."""
    _tokens(request).check(worker, bearer(request.headers.get("authorization")))


def new_session(request: Request, worker: str) -> str:
    """The session token for a worker that has registered."""
    return _tokens(request).issue(worker)


def _tokens(request: Request) -> Tokens:
    tokens: Tokens = request.app.state.tokens
    return tokens
