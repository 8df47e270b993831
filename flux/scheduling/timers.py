"""One timer for everything that is due at a time: durable sleeps, timeouts of waits, back-offs."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from flux.clock import MICROSECOND, Clock

if TYPE_CHECKING:
    from flux.store import Store

LONGEST = 3600.0
"""Seconds it sleeps at most, so that clock changes cannot strand a wait for long."""

log = logging.getLogger("flux.scheduling")


class Timers:
    """Sleeps until the next wake time in the store, or the next reminder.

    Args:
        due: called after each wake; executions may have become ready.
    """

    def __init__(self, store: Store, clock: Clock, due: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._due = due
        self._reminders: list[int] = []
        self._changed = asyncio.Event()
        self._next: int | None = None

    def at(self, when: int) -> None:
        """Call `due` at this time (microseconds UTC) too."""
        heapq.heappush(self._reminders, when)
        self.opened(when)

    def opened(self, wake_at: int) -> None:
        """A wait that wakes at this time was opened: sleep no longer than that."""
        if self._next is None or wake_at < self._next:
            self._changed.set()

    async def run(self) -> None:
        """Sleep and tick until cancelled."""
        while True:
            try:
                await self._sleep(await self.tick())
            except asyncio.CancelledError:
                raise
            except Exception:
                log.exception("the timer goes on after an error")
                await self._clock.sleep(1.0)

    async def tick(self) -> int | None:
        """Wake what is due; returns when the next thing is (microseconds UTC)."""
        self._changed.clear()
        now = self._clock.now()
        woken = bool(self._pop_reminders(now))
        upcoming = await self._store.waits.next_wake()
        if upcoming is not None and upcoming <= now:
            woken = bool(await self._store.waits.wake(now)) or woken
            upcoming = await self._store.waits.next_wake()
        if woken:
            self._due()
        times = [when for when in (upcoming, *self._reminders[:1]) if when is not None]
        self._next = min(times, default=None)
        return self._next

    def _pop_reminders(self, now: int) -> list[int]:
        popped = []
        while self._reminders and self._reminders[0] <= now:
            popped.append(heapq.heappop(self._reminders))
        return popped

    async def _sleep(self, until: int | None) -> None:
        seconds = LONGEST if until is None else (until - self._clock.now()) / MICROSECOND
        if seconds <= 0 and until is not None:
            # Due, but the store did not let go of it (its execution is held): its release reschedules.
            seconds = 1.0
        sleeping = asyncio.ensure_future(self._clock.sleep(min(seconds, LONGEST)))
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait((sleeping, changed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sleeping, changed):
                task.cancel()
