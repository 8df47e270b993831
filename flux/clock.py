"""Time as an argument: all parts take a clock, so tests and replays can skip time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Protocol, Self

MICROSECOND = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Timeout(Protocol):
    """A block with an end in time, as `asyncio.timeout` makes it: `TimeoutError` is raised when it comes."""

    async def __aenter__(self) -> Self:
        """Begin the block."""
        ...

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """End the block."""
        ...

    def expired(self) -> bool:
        """Whether the time was up before the block ended."""
        ...


class Clock(Protocol):
    """What Flux asks of a clock."""

    def now(self) -> int:
        """Microseconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump, for durations and deadlines."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Come back after `seconds` of this clock's time."""
        ...

    def timeout(self, seconds: float) -> Timeout:
        """A block (`async with`) that may last `seconds` of this clock's time."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        """Microseconds since the epoch, UTC."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """`asyncio.sleep`."""
        import asyncio  # here: defining workflows needs no event loop, and asyncio is half of what `import flux` costs

        await asyncio.sleep(seconds)

    def timeout(self, seconds: float) -> Timeout:
        """`asyncio.timeout`."""
        import asyncio

        return asyncio.timeout(seconds)


def to_datetime(micros: int) -> datetime:
    """Aware UTC datetime of a stored time.

    Example:
        >>> to_datetime(0).isoformat()
        '1970-01-01T00:00:00+00:00'
    """
    return _EPOCH + timedelta(microseconds=micros)


def to_micros(moment: datetime) -> int:
    """Stored form of a datetime; a naive one counts as UTC."""
    return (as_utc(moment) - _EPOCH) // timedelta(microseconds=1)


def as_utc(moment: datetime) -> datetime:
    """The same moment in UTC; a naive one counts as UTC.

    Example:
        >>> as_utc(datetime(2026, 1, 2)).isoformat(), as_utc(datetime.fromisoformat("2026-01-02T01:00+01:00")).hour
        ('2026-01-02T00:00:00+00:00', 0)
    """
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
