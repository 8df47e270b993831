"""What tasks and workflows can be told beside their functions: records of options, checked where they are made.

The decorators take what the records take; type checkers read it from there.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, ClassVar, Literal, TypeVar

from flux.domain.workflow import ResourceRequest
from flux.errors import UsageError

Record = TypeVar("Record", bound="Options")
Durability = Literal["strict", "relaxed", "durable", "transient"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of the records. None stands for an option's default; `UsageError` is raised for wrong values."""

    owner: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None:
                object.__setattr__(self, field.name, field.default)
            elif (rule := _RULES.get(field.name)) and not rule.holds(value):
                hint = f"{field.name} is {rule.text}."
                raise UsageError(f"{field.name}={value!r} is no option of a {self.owner}.", hint=hint)


@dataclass(frozen=True, kw_only=True)
class CommonOptions(Options):
    """Options of a task that leave the function's parameters as they are.

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

    owner: ClassVar[str] = "task"

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

    @property
    def cached_for(self) -> int | None:
        """Microseconds for which a cached result counts; None for good."""
        if isinstance(self.cache, timedelta):
            return int(self.cache.total_seconds() * 1e6)
        return None if isinstance(self.cache, bool) else int(self.cache * 1e6)


@dataclass(frozen=True, kw_only=True)
class TaskOptions(CommonOptions):
    """All options of a task: these pass further keyword arguments to the function.

    Attributes:
        secret_requests: names of secrets, passed as `secrets: dict`.
        config_requests: names of configuration values, passed as `config: dict`.
        metadata: pass `metadata: TaskMetadata`.
    """

    secret_requests: Sequence[str] = ()
    config_requests: Sequence[str] = ()
    metadata: bool = False

    @property
    def parameters(self) -> Mapping[str, str]:
        """What Flux passes to the function, each with the option that asks for it."""
        asked = {"secrets": "secret_requests", "config": "config_requests", "metadata": "metadata"}
        return {parameter: option for parameter, option in asked.items() if getattr(self, option)}


@dataclass(frozen=True, kw_only=True)
class WorkflowOptions(Options):
    """Options of a workflow.

    Attributes:
        name: its name; the function's by default.
        namespace: "default" unless given.
        schedule: when runs start by themselves.
        timeout: seconds for the whole execution, 0 for none.
        secret_requests: names of secrets for all its tasks that take `secrets`.
        output_storage: keeps the output; `ctx.output` is then a reference to it.
        requests: what a worker must have.
        durability: "strict", or "relaxed": outcomes are used up to 100 ms before they are durable.
        runner: accepted for older code; runners are warm processes either way.
    """

    owner: ClassVar[str] = "workflow"

    name: str | None = None
    namespace: str | None = None
    schedule: Any = None
    timeout: float = 0
    secret_requests: Sequence[str] = ()
    output_storage: Any = None
    requests: ResourceRequest | None = None
    durability: Durability = "strict"
    runner: str | None = None
    affinity: Any = None
    routing: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "durability", _DURABILITY[self.durability])


class Configured:
    """What has options: each can be read as an attribute of its own."""

    options: Any

    def __getattr__(self, name: str) -> Any:
        options = self.__dict__.get("options")  # a copy in the making has none yet
        if name.startswith("_") or not hasattr(options, name):
            raise AttributeError(f"{type(self).__name__}s have no attribute '{name}'.")
        return getattr(options, name)


def changed(options: Record, *args: Any, **given: Any) -> Record:
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
            raise UsageError(f"{options.owner.title()}s have no option '{name}'.", hint=hint)
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


_DURABILITY: Mapping[str, Durability] = {
    "strict": "strict",
    "durable": "strict",
    "relaxed": "relaxed",
    "transient": "relaxed",
}
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
    "requests": _Rule("a ResourceRequest", lambda value: isinstance(value, ResourceRequest)),
    "durability": _Rule('"strict" or "relaxed"', lambda value: isinstance(value, str) and value in _DURABILITY),
}
