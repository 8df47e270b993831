"""Crashes and cancellations at a given point of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from flux.domain import EventRecord
from flux.engine.ports import Journal
from flux.engine.task import Task
from flux.testing.fakes import hang

if TYPE_CHECKING:
    from flux.engine.policies import Attempted, Body
    from flux.engine.session import Session

Point: TypeAlias = int | str | Task[..., Any] | timedelta
"""A number of events (when that many are durable), a task or its name (while its first call runs), or a time."""


class Crash(Exception):
    """The process that ran an execution is gone, as far as the test goes."""


@dataclass(slots=True)
class Trap:
    """What happens to a run at a point, once.

    Attributes:
        option: the name of the argument that asked for it.
        strike: does it, given an activation of the run or of a child.
    """

    option: str
    point: Point
    strike: Callable[[Session], None]
    sprung: bool = False

    def spring(self, session: Session) -> None:
        """It happens now."""
        self.sprung = True
        self.strike(session)

    def is_at(self, attempt: Attempted) -> bool:
        """Whether this call of a task is the point."""
        point = self.point
        if self.sprung:
            return False
        if isinstance(point, Task):
            return point.func is attempt.task.func
        return isinstance(point, str) and point in (attempt.task.name, attempt.call.name)

    def during(self, attempt: Attempted, body: Body) -> Body:
        """A task's body during which it happens: even a quick one is still running when the time comes."""

        async def caught() -> Any:
            session = attempt.session
            if session.recorder.pending:
                session.recorder.flush()  # a task that runs for a while is seen to have started
            self.spring(session)
            await body()
            return await hang()

        return caught


class CrashingJournal:
    """Writes up to a number of events, and is gone then: no more is written, nobody hears of the last ones.

    Args:
        durable: how many the execution has already.
        limit: how many it is to have in the end.
    """

    def __init__(self, journal: Journal, durable: int, limit: int, trap: Trap) -> None:
        self._journal = journal
        self._durable = durable
        self._limit = limit
        self._trap = trap

    def append(self, events: Sequence[EventRecord], *, release: bool = False) -> asyncio.Future[int]:
        """See `flux.engine.ports.Journal.append`."""
        if self._trap.sprung:
            return asyncio.get_running_loop().create_future()
        left = max(0, self._limit - self._durable)
        if len(events) < left:
            return self._counted(self._journal.append(events, release=release), len(events))
        self._trap.sprung = True
        return _unheard(self._journal.append(events[:left], release=release and left == len(events)))

    def _counted(self, written: asyncio.Future[int], number: int) -> asyncio.Future[int]:
        """Others write events too: the host, and the store what becomes of children."""

        def count(done: asyncio.Future[int]) -> None:
            if not done.cancelled() and done.exception() is None:
                self._durable = max(self._durable, done.result() + number - 1)

        self._durable += number
        _when_done(written, count)
        return written

    def progress(self, source_id: str, name: str, value: str) -> None:
        """See `flux.engine.ports.Journal.progress`."""
        self._journal.progress(source_id, name, value)


def _unheard(written: asyncio.Future[int]) -> asyncio.Future[int]:
    """Fails with `Crash` when the events are durable."""
    lost: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def crash(done: asyncio.Future[int]) -> None:
        lost.set_exception(done.exception() or Crash())

    _when_done(written, crash)
    return lost


def _when_done(future: asyncio.Future[int], tell: Callable[[asyncio.Future[int]], None]) -> None:
    """At once, where it is done already."""
    if future.done():
        tell(future)
    else:
        future.add_done_callback(tell)
