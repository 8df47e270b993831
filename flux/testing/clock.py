"""A clock that tests move by hand, or that skips every wait."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from types import TracebackType
from typing import Self

from flux.clock import Timeout

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
        await self.alarm(seconds)

    def timeout(self, seconds: float) -> Timeout:
        """A block that may last until the clock has been moved that far.

        A clock that skips by itself does not see whether a block still works: its timeouts are real.
        """
        return asyncio.timeout(seconds) if self._skip else FakeTimeout(self, seconds)

    def alarm(self, seconds: float) -> asyncio.Future[None]:
        """Resolves when the clock has been moved that far; cancel it and the clock forgets it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        heapq.heappush(self._sleepers, (self._now + max(0, round(seconds * 1e6)), next(self._order), future))
        self._passes = 0
        if self._skip and not self._watching:
            self._watching = True
            loop.call_soon(self._watch, loop)
        return future

    def advance(self, seconds: float) -> None:
        """Move on, waking every sleeper on the way in order of its time."""
        target = self._now + round(seconds * 1e6)
        while (wake_at := self.next_wake) is not None and wake_at <= target:
            self.skip()
        self._now = target

    def skip(self) -> None:
        """Move to the next sleeper's time and wake it; nothing happens when nobody sleeps."""
        if (wake_at := self.next_wake) is not None:
            self._now = max(self._now, wake_at)
            heapq.heappop(self._sleepers)[2].set_result(None)

    @property
    def next_wake(self) -> int | None:
        """Microseconds at which the next sleeper wakes, or None when nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    @property
    def sleeping(self) -> int:
        """How many wait for this clock."""
        return sum(not future.done() for _, _, future in self._sleepers)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._passes += 1
        if self._passes >= QUIET_PASSES:
            self._passes = 0
            self.skip()
        if self._sleepers:
            loop.call_soon(self._watch, loop)
        else:
            self._watching = False


class FakeTimeout:
    """`asyncio.timeout` by a fake clock."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._block = asyncio.timeout(None)
        self._alarm: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin the block."""
        await self._block.__aenter__()
        self._alarm = self._clock.alarm(self._seconds)
        self._alarm.add_done_callback(self._ring)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the block."""
        alarm, self._alarm = self._alarm, None
        if alarm is not None:
            alarm.cancel()
        await self._block.__aexit__(exc_type, exc, traceback)

    def expired(self) -> bool:
        """Whether the clock came to the end of the time before the block ended."""
        return self._block.expired()

    def _ring(self, alarm: asyncio.Future[None]) -> None:
        if alarm is self._alarm:
            self._block.reschedule(asyncio.get_running_loop().time())
