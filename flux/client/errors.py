"""Turning what a server answers back into the errors it raised.

A problem document (RFC 9457) carries the error's stable `code`; the class with that code comes back
with its message, its hint and its further members, so callers on both sides of HTTP catch the same
classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flux.errors import (
    ConflictError,
    ExecutionContextNotFoundError,
    ExecutionError,
    ExecutionTimeoutError,
    FluxError,
    ForbiddenError,
    InvalidInputError,
    NonDeterminismError,
    NotFoundError,
    PauseRequested,
    RetryError,
    ServerUnavailableError,
    UnauthorizedError,
    UsageError,
    WaitAmbiguousError,
    WorkflowNotFoundError,
    classes_by_code,
)

_MEMBERS = frozenset({"type", "title", "status", "detail", "code", "hint", "instance"})
_BY_STATUS: dict[int, type[FluxError]] = {
    400: UsageError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    422: InvalidInputError,
    503: ServerUnavailableError,
}


def from_problem(status: int, body: Any, fallback: str = "") -> FluxError:
    """The error that a response stands for.

    Args:
        status: HTTP status of the response.
        body: its JSON, a problem document or whatever a proxy in between made of it.
        fallback: message when the body says nothing.

    Example:
        >>> error = from_problem(404, {"code": "workflow_not_found", "detail": "Workflow 'x' not found."})
        >>> type(error).__name__, str(error)
        ('WorkflowNotFoundError', "Workflow 'x' not found.")
    """
    problem: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    kind = _class_for(str(problem.get("code", "")), status)
    message = _message(problem) or fallback or f"The server answered {status}."
    members = {name: value for name, value in problem.items() if name not in _MEMBERS}
    error = _BUILDERS.get(kind, _plain)(kind, message, members)
    if hint := problem.get("hint"):
        error.hint = str(hint)
    vars(error)["problem"] = dict(problem)
    return error


def member(error: FluxError, name: str, default: Any = None) -> Any:
    """A member of the problem document that `error` came with (`traceback`, `line` …)."""
    problem = vars(error).get("problem", {})
    return problem.get(name, error.extra().get(name, default))


def _class_for(code: str, status: int) -> type[FluxError]:
    return classes_by_code().get(code) or _BY_STATUS.get(status, FluxError)


def _message(problem: Mapping[str, Any]) -> str:
    detail = problem.get("detail") or problem.get("title") or ""
    if isinstance(detail, list):
        return "; ".join(str(item.get("msg", item)) if isinstance(item, Mapping) else str(item) for item in detail)
    return str(detail)


def _plain(kind: type[FluxError], message: str, members: Mapping[str, Any]) -> FluxError:
    return kind(message)


def _invalid_input(kind: type[FluxError], message: str, members: Mapping[str, Any]) -> FluxError:
    return InvalidInputError(message, members.get("errors") or ())


def _ambiguous(kind: type[FluxError], message: str, members: Mapping[str, Any]) -> FluxError:
    return WaitAmbiguousError(members.get("waits") or (), message)


def _diverged(kind: type[FluxError], message: str, members: Mapping[str, Any]) -> FluxError:
    names = ("recorded", "attempted", "recorded_at", "attempted_at", "cause")
    return NonDeterminismError(message, **{name: str(members.get(name, "")) for name in names})


def _failed(kind: type[FluxError], message: str, members: Mapping[str, Any]) -> FluxError:
    error = kind()
    error.args = (message,)  # their constructors make up a sentence of their own
    return error


_BUILDERS: dict[type[FluxError], Callable[[type[FluxError], str, Mapping[str, Any]], FluxError]] = {
    InvalidInputError: _invalid_input,
    WaitAmbiguousError: _ambiguous,
    NonDeterminismError: _diverged,
    ExecutionError: _failed,
    RetryError: _failed,
    ExecutionTimeoutError: _failed,
    PauseRequested: _failed,
    WorkflowNotFoundError: lambda kind, message, members: WorkflowNotFoundError(str(members.get("ref", "")), message),
    ExecutionContextNotFoundError: lambda kind, message, members: ExecutionContextNotFoundError(
        str(members.get("execution_id", "")), message
    ),
}
