"""The traps that are laid for the runs of an environment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from datetime import timedelta
from typing import TYPE_CHECKING

from flux.clock import Clock
from flux.domain import Execution
from flux.engine.ports import Journal
from flux.engine.session import Session
from flux.errors import UsageError
from flux.local.host import LocalHost
from flux.testing.points import Crash, CrashingJournal, Point, Trap

if TYPE_CHECKING:
    from flux.engine.policies import Attempted, Body


class Traps:
    """Lays traps for the next step of a run, and has them sprung at their points.

    Args:
        host: who runs them.
        root_of: id of the execution that has started another one, or the one before it, and so on.
    """

    def __init__(
        self, clock: Clock, host: Callable[[], LocalHost], root_of: Callable[[Execution], Awaitable[str]]
    ) -> None:
        self._clock = clock
        self._host = host
        self._root_of = root_of
        self._laid: dict[str, Sequence[Trap]] = {}
        self._requests: set[asyncio.Task[None]] = set()

    def make(self, crash_at: Point | None, cancel_at: Point | None) -> list[Trap]:
        """What is to happen in the next step of a run. Raises `UsageError` for a cancel at a number of events."""
        if isinstance(cancel_at, int):
            raise UsageError(
                f"cancel_at={cancel_at}: a cancel reaches code while it awaits something.",
                hint="Give a task, its name or a timedelta.",
            )
        crash = None if crash_at is None else Trap("crash_at", crash_at, lambda session: session.fail(Crash()))
        cancel = None if cancel_at is None else Trap("cancel_at", cancel_at, self._request_cancel)
        return [trap for trap in (crash, cancel) if trap is not None]

    @asynccontextmanager
    async def laid(self, execution_id: str, traps: Sequence[Trap]) -> AsyncIterator[None]:
        """Have them sprung while the block lasts."""
        self._laid[execution_id] = traps
        loop = asyncio.get_running_loop()
        timed = [trap for trap in traps if isinstance(trap.point, timedelta)]
        watches = [loop.create_task(self._watch(execution_id, trap), context=Context()) for trap in timed]
        try:
            yield
        finally:
            del self._laid[execution_id]
            for watch in watches:
                watch.cancel()
            await asyncio.gather(*watches, *self._requests, return_exceptions=True)

    def journal(self, execution: Execution, journal: Journal) -> Journal:
        """The journal of an execution, or one that stops writing at the point of a crash."""
        for trap in self._laid.get(execution.id, ()):
            if isinstance(trap.point, int) and not trap.sprung:
                return CrashingJournal(journal, execution.last_seq, trap.point, trap)
        return journal

    def task(self, attempt: Attempted, body: Body) -> Body:
        """The body of a task, of the run or of its children, or one during which a trap is sprung."""
        for trap in self._laid.get(self._root(attempt.session).execution_id, ()):
            if trap.is_at(attempt):
                return trap.during(attempt, body)
        return body

    def _root(self, session: Session) -> Session:
        """The activation that has started this one, or the one before it, and so on."""
        parent = self._host().sessions.get(session.execution.parent_id)
        return session if parent is None else self._root(parent)

    async def _watch(self, execution_id: str, trap: Trap) -> None:
        assert isinstance(trap.point, timedelta)
        await self._clock.sleep(trap.point.total_seconds())
        for session in list(self._host().sessions.values()):
            if await self._root_of(session.execution) == execution_id and not trap.sprung:
                trap.spring(session)

    def _request_cancel(self, session: Session) -> None:
        """Ask for the end of what runs, as a person would; what goes wrong with that fails the run."""
        root = self._root(session)

        async def request() -> None:
            try:
                await self._host().cancel(root.workflow, root.execution_id)
            except Exception as error:
                session.fail(error)

        task = asyncio.get_running_loop().create_task(request(), context=Context())
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)
