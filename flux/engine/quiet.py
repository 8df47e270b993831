"""Whether the code of an execution can still move by itself.

Replay must know when everything that a delivered outcome set off has happened. asyncio has no public
question for that, so this reads what the event loop and its tasks are about to do: `loop._ready` (the
callbacks of the next pass), `loop._scheduled` (its timers) and each task's `_fut_waiter` (what it awaits).
All exist in CPython 3.11 to 3.14 on the default loops; on a loop without them a fixed number of passes
stands in, and timers take their time.
"""

from __future__ import annotations

import asyncio
import heapq
import inspect
from collections.abc import Callable, Generator, Iterable
from contextvars import Context
from typing import Any

BLIND_PASSES = 16
"""Loop passes that count as settled on a loop whose queue cannot be read."""

LONGEST_TURN = 0.001
"""Seconds that code whose commits are through at once may keep the loop for itself."""

_ASYNCIO_WAITERS = frozenset({"wait", "_wait", "__aexit__", "acquire", "join", "get", "put", "gather", "wait_for"})


class FluxFuture(asyncio.Future[Any]):
    """A future that only Flux resolves: awaiting it is not waiting for the outside world."""


class Turns:
    """Awaited in place of what is through already: lets the loop turn now and then, for timers and for others."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: Any = getattr(loop, "_ready", None)
        self._until = 0.0

    def __await__(self) -> Generator[None, None, None]:
        """Come back at once, or after a turn of the loop."""
        if self.due():
            yield

    def due(self) -> bool:
        """Whether somebody is ready, the code is cancelled, or it has run for `LONGEST_TURN`."""
        now = self._loop.time()
        task = asyncio.current_task(self._loop)
        alone = self._queue is not None and not self._queue and not (task and task.cancelling())
        if alone and now < self._until:
            return False
        self._until = now + LONGEST_TURN
        return True


class CommitFuture(FluxFuture):
    """A commit on its way to the disk. Nothing stops it: who awaits it learns of a cancellation afterwards."""

    def cancel(self, msg: Any | None = None) -> bool:
        """Refuse; asyncio then delivers the cancellation once the commit is through."""
        return False


class Quiet:
    """Answers for one execution whether callbacks of its code are about to run.

    Args:
        mine: whether a context belongs to the execution.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, mine: Callable[[Context], bool]) -> None:
        self._loop = loop
        self._queue: Any = getattr(loop, "_ready", None)
        self._mine = mine
        self._passes = 0

    def busy(self) -> bool:
        """True while a callback of the execution stands in the loop's queue."""
        if self._queue is None:
            self._passes = (self._passes + 1) % BLIND_PASSES
            return self._passes != 0
        if not self._queue:
            return False
        # A copy, made in one step: other threads add to the queue at any time (`call_soon_threadsafe`).
        return any(self._mine(handle._context) for handle in self._queue.copy() if not handle._cancelled)

    def skip(self, tasks: Iterable[asyncio.Task[Any]]) -> bool:
        """Let the next timer of the code ring now; False when it has none, or awaits something else too.

        Replay has no need to wait for an `asyncio.sleep` or an `asyncio.timeout`: nothing else can happen before.

        Args:
            tasks: those of the execution.
        """
        scheduled: list[Any] = getattr(self._loop, "_scheduled", [])
        timers = [timer for timer in scheduled if not timer.cancelled() and self._mine(timer._context)]
        slept = {id(argument) for timer in timers for argument in timer._args or ()}
        if not timers or any(id(_waiter(task)) not in slept for task in tasks if not task.done() and _is_outside(task)):
            return False
        # It stays what it is, only due now: the code can still cancel it until it rings.
        min(timers, key=asyncio.TimerHandle.when)._when = self._loop.time()
        heapq.heapify(scheduled)
        return True


def awaits_outside(tasks: Iterable[asyncio.Task[Any]]) -> bool:
    """True when a task awaits something that neither Flux nor another of the tasks will end.

    A task is inside when what it awaits is a Flux future, another task, a gather, or one of asyncio's
    own waiting primitives (`wait`, `TaskGroup`, locks, queues): those end by what the other tasks do.
    """
    return any(_is_outside(task) for task in tasks if not task.done())


def _waiter(task: asyncio.Task[Any]) -> Any:
    """What a task awaits, or None."""
    return getattr(task, "_fut_waiter", None)


def _is_outside(task: asyncio.Task[Any]) -> bool:
    waiter = _waiter(task)
    if waiter is None or isinstance(waiter, FluxFuture | asyncio.Task):
        return False
    if hasattr(waiter, "_children"):
        return False
    return not _in_asyncio_waiter(task)


def _in_asyncio_waiter(task: asyncio.Task[Any]) -> bool:
    innermost: Any = task.get_coro()
    while True:
        below = getattr(innermost, "cr_await", None)
        if not inspect.iscoroutine(below):
            break
        innermost = below
    code = getattr(innermost, "cr_code", None)
    return code is not None and "asyncio" in code.co_filename and code.co_name in _ASYNCIO_WAITERS
