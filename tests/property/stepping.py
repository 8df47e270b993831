"""An event loop whose time moves only when it is told to, and the clock that goes with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextvars import Context
from typing import Any

from flux.clock import SystemClock
from flux.engine.threads import _pool
from flux.testing.clock import START

PATIENCE = 20.0
"""Real seconds after which code that never comes to rest is a failure."""


class SteppingLoop(asyncio.SelectorEventLoop):
    """Runs what is ready, pass by pass; timers wait for `skip`.

    What threads bring is taken when all of them have come, in an order that does not depend on the machine.
    """

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0.0
        self._brought: list[tuple[Any, ...]] = []

    def time(self) -> float:
        """Seconds since the loop was made, by its own time."""
        return self.elapsed

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Context | None = None) -> Any:
        """Keep what a thread brings until the others have come too."""
        self._brought.append((callback, args, context))

    def turn(self) -> bool:
        """One pass; False when nothing is left to do now."""
        self.stop()
        self.run_forever()
        deadline = time.monotonic() + PATIENCE
        while _at_work():
            time.sleep(0.0001)
            assert time.monotonic() < deadline, "a thread never ends"
        for callback, args, context in sorted(self._brought, key=_shown):
            self.call_soon(callback, *args, context=context)
        self._brought.clear()
        return bool(self._ready)

    def settle(self) -> None:
        """Pass after pass, until only time sets anything going again."""
        deadline = time.monotonic() + PATIENCE
        while self.turn():
            assert time.monotonic() < deadline, "the code never comes to rest"

    def complete(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """The result of a coroutine that needs no time."""
        task = self.create_task(coroutine)
        while not task.done():
            assert self.turn() or task.done(), "it waits for time to pass"
        return task.result()

    @property
    def next_timer(self) -> float | None:
        """When the next timer is due, or None."""
        return min((handle.when() for handle in self._scheduled if not handle.cancelled()), default=None)

    def skip(self, limit: float) -> None:
        """Move to the next timer, but not past `limit`, and let happen what it sets off.

        What is ready runs before: code is faster than its timers.
        """
        self.settle()
        due = self.next_timer
        self.elapsed = max(self.elapsed, limit if due is None else min(due, limit))
        self.settle()


def _at_work() -> bool:
    """Whether a thread of the tasks' pool has something to do."""
    pool = _pool()
    return pool._work_queue.qsize() > 0 or pool._idle_semaphore._value < len(pool._threads)


def _shown(brought: tuple[Any, ...]) -> str:
    """What a thread brings, as text: a path, or an error with it."""
    return str(getattr(brought[0], "args", ("", ""))[1])


class LoopClock(SystemClock):
    """The time of a stepping loop."""

    def __init__(self, loop: SteppingLoop) -> None:
        self._loop = loop

    def now(self) -> int:
        """Microseconds since the epoch, UTC."""
        return START + round(self._loop.elapsed * 1e6)

    def monotonic(self) -> float:
        """Seconds since the loop was made."""
        return self._loop.elapsed
