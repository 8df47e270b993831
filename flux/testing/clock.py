"""A clock that tests move by hand, or that skips every wait."""

from __future__ import annotations

import asyncio
import heapq
import itertools

START = 1_750_000_000_000_000
"""Microseconds at which a fake clock starts: a moment in June 2025, well clear of any DST change."""
QUIET_PASSES = 25
"""Loop passes without a new sleeper after which a skipping clock moves on."""


class FakeClock:
    """Implements `flux.clock.Clock` without ever waiting.

    Args:
        start: microseconds since the epoch.
        skip: jump to the next sleeper's time by itself once the loop has gone quiet.

    Example:
        >>> clock = FakeClock(start=0)
        >>> clock.advance(1.5)
        >>> clock.now(), clock.monotonic()
        (1500000, 1.5)
    """

    def __init__(self, start: int = START, *, skip: bool = False) -> None:
        self._start = start
        self._now = start
        self._skip = skip
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._passes = 0
        self._watching = False

    def now(self) -> int:
        """Microseconds since the epoch, UTC."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return (self._now - self._start) / 1e6

    async def sleep(self, seconds: float) -> None:
        """Come back when the clock has been moved that far."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        heapq.heappush(self._sleepers, (self._now + max(0, round(seconds * 1e6)), next(self._order), future))
        self._passes = 0
        if self._skip and not self._watching:
            self._watching = True
            loop.call_soon(self._watch, loop)
        await future

    def advance(self, seconds: float) -> None:
        """Move on, waking every sleeper on the way in order of its time."""
        target = self._now + round(seconds * 1e6)
        while self._sleepers and self._sleepers[0][0] <= target:
            self._wake_next()
        self._now = target

    @property
    def sleeping(self) -> int:
        """How many wait for this clock."""
        return sum(not future.done() for _, _, future in self._sleepers)

    def _wake_next(self) -> None:
        wake_at, _, future = heapq.heappop(self._sleepers)
        self._now = max(self._now, wake_at)
        if not future.done():
            future.set_result(None)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._passes += 1
        if self._passes >= QUIET_PASSES and self._sleepers:
            self._passes = 0
            self._wake_next()
        if self._sleepers:
            loop.call_soon(self._watch, loop)
        else:
            self._watching = False
