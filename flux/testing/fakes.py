"""Stand-ins for tasks: what they give is told beforehand, what they are given is kept."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from flux.clock import Clock, to_datetime
from flux.engine.injection import for_handler
from flux.engine.quiet import FluxFuture
from flux.engine.task import Task

if TYPE_CHECKING:
    from flux.engine.policies import Attempted, Body


class _Special(Enum):
    HANG = "HANG"

    def __repr__(self) -> str:
        return self.name


HANG: Final = _Special.HANG
"""In place of a fake's outcome: it never ends by itself, so a timeout or a cancellation ends it."""


class Fake:
    """Stands in for a task; made by `FluxEnv.fake`.

    Attributes:
        target: the task, or its name.
        calls: the arguments of every attempt, by the names of the task's parameters.
        times: when each of them began, by the clock of the environment.
    """

    def __init__(self, target: Task[..., Any] | str, outcomes: Sequence[Any], clock: Clock) -> None:
        self.target = target
        self.calls: list[dict[str, Any]] = []
        self.times: list[datetime] = []
        self._outcomes = tuple(outcomes) or (None,)
        self._clock = clock

    def stands_for(self, task: Task[..., Any], call_name: str) -> bool:
        """Whether a call is one of the task it replaces, with whatever options."""
        if isinstance(self.target, Task):
            return self.target.func is task.func
        return self.target in (task.name, call_name)

    async def play(self, attempt: Attempted) -> Any:
        """The outcome that is next; the last one stays."""
        outcome = self._outcomes[min(len(self.calls), len(self._outcomes) - 1)]
        self.calls.append(_arguments(attempt))
        self.times.append(to_datetime(self._clock.now()))
        if outcome is HANG:
            return await hang()
        if isinstance(outcome, BaseException):
            raise outcome.with_traceback(None)
        if isinstance(outcome, type) and issubclass(outcome, BaseException):
            raise outcome
        return await _called(outcome, attempt) if callable(outcome) else outcome

    def __repr__(self) -> str:
        name = self.target.name if isinstance(self.target, Task) else self.target
        return f"<fake {name}: {len(self.calls)} calls>"


class Fakes:
    """The fakes of one environment; the newest that fits a call plays."""

    def __init__(self) -> None:
        self._fakes: list[Fake] = []

    def add(self, fake: Fake) -> None:
        """Have it play from now on."""
        self._fakes.insert(0, fake)

    def body(self, attempt: Attempted, body: Body) -> Body:
        """What runs for a call: a fake, or the task's own body."""
        for fake in self._fakes:
            if fake.stands_for(attempt.task, attempt.call.name):
                return lambda: fake.play(attempt)
        return body


async def hang() -> Any:
    """Never come back; only Flux ends it, so the clock may move on meanwhile."""
    return await FluxFuture(loop=asyncio.get_running_loop())


def _arguments(attempt: Attempted) -> dict[str, Any]:
    """By name, without the object that a method is bound to."""
    bound = attempt.task.bound_names
    return {name: value for name, value in attempt.call.arguments.items() if name not in bound}


async def _called(function: Callable[..., Any], attempt: Attempted) -> Any:
    """With the task's arguments, and of what Flux adds to them that which the function names."""
    given = await for_handler(attempt, function) if _has_signature(function) else {}
    result = function(*attempt.args, **attempt.kwargs, **given)
    return await result if inspect.isawaitable(result) else result


def _has_signature(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function)
    except (TypeError, ValueError):
        return False
    return True
