"""What Flux passes to a task beside its arguments: metadata, secrets and configs.

Secrets and configs are fetched at each attempt, so that a retry sees the newest ones, and never while a finished call
is replayed. They are no arguments: no event and no digest has them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flux.domain import Inquiry, InquiryKind
from flux.engine.naming import NameTemplate
from flux.engine.task import Task

if TYPE_CHECKING:
    from flux.engine.policies import Attempted
    from flux.engine.session import Session

SECRETS, CONFIG, METADATA = "secrets", "config", "metadata"
INJECTED = (SECRETS, CONFIG, METADATA)
"""Parameters that are filled with what is asked for, and not by who calls."""


async def for_body(attempt: Attempted) -> Mapping[str, Any]:
    """What the task itself is given. Raises `ValueError` that names what is missing."""
    secrets = _secrets_of(attempt, attempt.task.func)
    if not secrets and not attempt.task.options.config_requests:
        return attempt.injected
    return {**attempt.injected, **await _fetched(attempt, secrets, attempt.task.options.config_requests)}


async def configs_of(attempt: Attempted) -> Mapping[str, Any]:
    """The configuration values that the task asks for. Raises `ValueError` that names what is missing."""
    return await _fetched(attempt, (), attempt.task.options.config_requests)


async def for_handler(attempt: Attempted, handler: Callable[..., Any]) -> Mapping[str, Any]:
    """What a fallback or rollback is given: what it names among its parameters, so that the others need not care."""
    if isinstance(handler, Task):
        return {}  # it: it asks for itself, and arguments would be recorded
    names = _keywords(handler)
    secrets = _secrets_of(attempt, handler) if SECRETS in names else ()
    configs = attempt.task.options.config_requests if CONFIG in names else ()
    given = {name: value for name, value in attempt.injected.items() if name in names}
    return {**given, **await _fetched(attempt, secrets, configs)}


async def fetch_secrets(session: Session, names: Sequence[str]) -> dict[str, str]:
    """Secrets by name; from here on their values are hidden. Raises `ValueError` that names the missing ones."""
    found = await _fetch(session, InquiryKind.SECRETS, names)
    session.codec.redactor.learn(found.values())
    return found


async def fetch_configs(session: Session, names: Sequence[str]) -> dict[str, Any]:
    """Configs by name. Raises `ValueError` that names the missing ones."""
    return await _fetch(session, InquiryKind.CONFIGS, names)


def check_complete(kind: str, names: Sequence[str], found: Mapping[str, Any]) -> None:
    """Raises `ValueError` that names what was not found.

    Example:
        >>> check_complete("secrets", ["X"], {})
        Traceback (most recent call last):
        ValueError: The following secrets were not found: ['X']
    """
    if missing := [name for name in names if name not in found]:
        raise ValueError(f"The following {kind} were not found: {missing}")


def _secrets_of(attempt: Attempted, func: Callable[..., Any]) -> Sequence[str]:
    """Those the task asks for; those of the workflow too, for a function that takes secrets."""
    own, shared = attempt.task.options.secret_requests, attempt.session.workflow.options.secret_requests
    if not shared or SECRETS in attempt.call.arguments or SECRETS not in _keywords(func):
        return own
    return list(dict.fromkeys([*own, *shared]))


async def _fetched(attempt: Attempted, secrets: Sequence[str], configs: Sequence[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if secrets:
        given[SECRETS] = await fetch_secrets(attempt.session, secrets)
    if configs:
        keys = [_filled(key, attempt) if "{" in key else key for key in configs]
        given[CONFIG] = await fetch_configs(attempt.session, keys)
    return given


def _filled(key: str, attempt: Attempted) -> str:
    return NameTemplate(key, attempt.task.func).fill(attempt.args, attempt.kwargs)


async def _fetch(session: Session, kind: InquiryKind, names: Sequence[str]) -> dict[str, Any]:
    found = await session.ask(Inquiry(kind, tuple(names)))
    check_complete(kind.value, names, found)
    return {name: session.codec.decode(found[name]) for name in names}


def _keywords(func: Callable[..., Any]) -> frozenset[str]:
    """Parameters that can be given by name."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(func).parameters.values()
    return frozenset(parameter.name for parameter in parameters if parameter.kind in by_name)
