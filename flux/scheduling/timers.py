"""One timer for everything that is due at a time: durable sleeps, timeouts of waits, back-offs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from flux.clock import MICROSECOND, Clock
from flux.store import Store

LONGEST = 3600.0
"""Seconds it sleeps at most, so that a clock that jumps cannot strand a wait for long."""

SHORTEST = 0.001

log = logging.getLogger("flux.scheduling")


class Timers:
    """Sleeps until the store's next wake time, then wakes what is due.

    Args:
        due: called whenever executions may have become ready.

    Example:
        timers = Timers(store, clock, dispatcher.poke)
        task = asyncio.create_task(timers.run())
    """

    def __init__(self, store: Store, clock: Clock, due: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._due = due
        self._changed = asyncio.Event()
        self._next: int | None = None

    def planned(self, when: int) -> None:
        """Something was stored that is due then (microseconds UTC): sleep no longer than that."""
        if self._next is None or when < self._next:
            self._changed.set()

    def replan(self) -> None:
        """Something may be due at a time that only the store knows: look again."""
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
        woken = await self._store.waits.wake(now)
        if woken or (self._next is not None and self._next <= now):
            self._due()
        self._next = await self._store.waits.next_wake()
        return self._next

    async def _sleep(self, until: int | None) -> None:
        seconds = LONGEST if until is None else (until - self._clock.now()) / MICROSECOND
        sleeping = asyncio.ensure_future(self._clock.sleep(min(max(seconds, SHORTEST), LONGEST)))
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait((sleeping, changed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            changed.cancel()
