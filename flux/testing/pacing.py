"""Moves a fake clock on whenever nothing but time can move the runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import Self

from flux.engine.session import Session
from flux.errors import UsageError
from flux.testing.clock import FakeClock

SETTLED = 10
"""Loop passes in a row without any movement after which time is all that is left."""
BUSY_PASSES = 200
"""Loop passes of work after which it is looked at less often."""


LONGEST_PASS = 0.05
"""Seconds of one pass that count as work: in a longer one the loop itself was held up."""


class Pacer:
    """Skips from timer to timer while it is entered; it may be entered several times.

    Args:
        clock: what it moves.
        sessions: the activations that run now, by execution id.
        patience: seconds of real work in one piece, of tasks that are not faked, from which on the clock
            follows real time, for timeouts to end it.
        stalled_after: real seconds without movement and without a timer after which the runs are given up.
    """

    def __init__(
        self,
        clock: FakeClock,
        sessions: Callable[[], Mapping[str, Session]],
        *,
        patience: float = 5.0,
        stalled_after: float = 5.0,
    ) -> None:
        self._clock = clock
        self._sessions = sessions
        self._patience = patience
        self._stalled_after = stalled_after
        self._entered = 0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin."""
        self._entered += 1
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._pace(), context=Context())
        return self

    async def __aexit__(self, *exc: object) -> None:
        """End with the last one who has entered."""
        self._entered -= 1
        if not self._entered and self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()

    async def _pace(self) -> None:
        while True:
            await self._work()
            if await self._rests():
                await self._move()

    async def _work(self) -> None:
        """Come back when nothing moves any more; long work outside of Flux takes its time from the clock."""
        passes, worked, last = 0, 0.0, time.monotonic()
        while not self._resting():
            passes += 1
            await asyncio.sleep(0 if passes < BUSY_PASSES else 0.001)
            now = time.monotonic()
            if any(session.works_outside for session in self._sessions().values()):
                worked += min(now - last, LONGEST_PASS)
                if worked > self._patience and self._clock.next_wake is not None:
                    self._clock.advance(now - last)
            last = now

    async def _rests(self) -> bool:
        """Whether nothing moves for a few passes: what one run delivers may set another one going."""
        for _ in range(SETTLED):
            await asyncio.sleep(0)
            if not self._resting():
                return False
        return True

    async def _move(self) -> None:
        """Skip to the next timer; without one, wait for something to happen after all."""
        begun = time.monotonic()
        while self._clock.next_wake is None and self._resting():
            if time.monotonic() - begun > self._stalled_after:
                self._give_up()
            await asyncio.sleep(0.01)
        if self._resting():
            self._clock.skip()

    def _resting(self) -> bool:
        sessions = self._sessions().values()
        return bool(sessions) and all(session.resting for session in sessions)

    def _give_up(self) -> None:
        for session in self._sessions().values():
            error = UsageError(
                f"The workflow '{session.workflow.name}' waits for something that never comes, and no timer is set.",
                hint="A fake that is HANG needs a timeout or a cancellation to end it.",
            )
            session.fail(error)
