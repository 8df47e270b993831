"""What a task can be told beside its function: one record of options, checked when the task is made."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, TypeVar

from flux.errors import UsageError

Options = TypeVar("Options", bound="CommonOptions")


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """Options that leave the function's parameters as they are.

    Attributes:
        name: name in events; may refer to arguments, as in `"load_{table}"`.
        retry_max_attempts: further attempts after the first.
        retry_delay: seconds before the first retry.
        retry_backoff: factor from one retry's delay to the next.
        timeout: seconds for each attempt, 0 for none.
        fallback: gives the task's value when all attempts failed.
        rollback: undoes when there is no fallback or it failed, or when the task is cancelled.
        cache: use an earlier result for the same arguments: `True`, or for how long (seconds, `timedelta`).
        output_storage: keeps the result; the event then holds a reference to it.
    """

    name: str | None = None
    retry_max_attempts: int = 0
    retry_delay: float = 1
    retry_backoff: float = 2
    timeout: float = 0
    fallback: Callable[..., Any] | None = None
    rollback: Callable[..., Any] | None = None
    cache: bool | float | timedelta = False
    output_storage: Any = None
    auth_exempt: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None:
                object.__setattr__(self, field.name, field.default)
            else:
                check_option(field.name, value)

    @property
    def cached_for(self) -> int | None:
        """Microseconds for which a cached result counts; None for good."""
        if isinstance(self.cache, timedelta):
            return int(self.cache.total_seconds() * 1e6)
        return None if isinstance(self.cache, bool) else int(self.cache * 1e6)


@dataclass(frozen=True, kw_only=True)
class TaskOptions(CommonOptions):
    """All options: these pass further keyword arguments to the function.

    Attributes:
        secret_requests: names of secrets, passed as `secrets: dict`.
        config_requests: names of configuration values, passed as `config: dict`.
        metadata: pass `metadata: TaskMetadata`.
    """

    secret_requests: Sequence[str] = ()
    config_requests: Sequence[str] = ()
    metadata: bool = False


def check_option(name: str, value: Any, owner: str = "task") -> None:
    """Raises `UsageError` for a value that an option does not take."""
    rule = _RULES[name]
    if not rule.holds(value):
        raise UsageError(f"{name}={value!r} is no option of a {owner}.", hint=f"{name} is {rule.text}.")


def changed(options: Options, *args: Any, **given: Any) -> Options:
    """The options with some of them replaced; None brings a default back.

    Raises `UsageError` for options that are unknown, wrong, or given without their names.

    Example:
        >>> changed(TaskOptions(timeout=5), retry_max_attempts=3).timeout
        5
    """
    if args:
        raise UsageError(f"{args[0]!r} is given without the name of its option.", hint="Write `timeout=5`.")
    known = [field.name for field in fields(options)]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"There are: {', '.join(known)}."
            raise UsageError(f"Tasks have no option '{name}'.", hint=hint)
    return dataclasses.replace(options, **given)


@dataclass(frozen=True, slots=True)
class _Rule:
    """What values an option takes."""

    text: str
    holds: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and _is_number(value)


def _is_names(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and all(isinstance(name, str) and name for name in value)


def _is_cache(value: Any) -> bool:
    if isinstance(value, timedelta):
        return value > timedelta(0)
    return isinstance(value, bool) or (_is_number(value) and value > 0)


def _is_storage(value: Any) -> bool:
    return all(callable(getattr(value, verb, None)) for verb in ("store", "retrieve"))


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


_SECONDS = _Rule("a number of seconds, 0 or more", _is_number)
_FUNCTION = _Rule("a function or a task", callable)
_NAMES = _Rule("a list of names", _is_names)
_SWITCH = _Rule("True or False", _is_bool)
_RULES: Mapping[str, _Rule] = {
    "name": _Rule("a text", lambda value: isinstance(value, str) and bool(value.strip())),
    "retry_max_attempts": _Rule("a whole number, 0 or more", _is_count),
    "retry_delay": _SECONDS,
    "retry_backoff": _Rule("a number, 0 or more", _is_number),
    "timeout": _SECONDS,
    "fallback": _FUNCTION,
    "rollback": _FUNCTION,
    "cache": _Rule("True or False, or the time that results count: seconds or a timedelta above 0", _is_cache),
    "output_storage": _Rule("an object with the methods of `flux.output_storage.OutputStorage`", _is_storage),
    "auth_exempt": _SWITCH,
    "secret_requests": _NAMES,
    "config_requests": _NAMES,
    "metadata": _SWITCH,
}
