"""Ending a body before it ends by itself: somebody has asked for it, or the workflow's time is up."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Collection
from contextvars import Context
from typing import TYPE_CHECKING, Any

from flux.domain import ExecutionEventType, ExecutionState, Wait, WaitKind
from flux.engine.quiet import FluxFuture

if TYPE_CHECKING:
    from flux.engine.session import Session

_S = ExecutionState
CLEANUP_LIMIT = 30.0
"""Seconds that a cancelled body has for its cleanup; then it is thrown away."""


class Cancellation:
    """Cancels the body of one activation, once: what comes second never interrupts the cleanup.

    Attributes:
        requested: somebody has asked for the end of the execution.
        timed_out: the workflow's own timeout has expired.
        struck: the body has got its `CancelledError`.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._timers: list[asyncio.Task[Any] | asyncio.TimerHandle] = []
        # A failed execution that somebody reopens has been asked all the same.
        self.requested = session.execution.state is _S.CANCELLING or session.history.cancelling is not None
        self.timed_out = session.history.timed_out is not None
        self.struck = False

    @functools.cached_property
    def deadline(self) -> Wait | None:
        """When the workflow's own timeout ends the execution.

        It is recorded as a wait, so that an execution which waits for something else wakes for it.
        """
        session = self._session
        if not session.workflow.options.timeout:
            return None
        begun = session.history.started.time if session.history.started else session.clock.now()
        wake_at = begun + int(session.workflow.options.timeout * 1e6)
        return Wait(f"timeout_{session.execution_id}", "timeout", WaitKind.TIMER, wake_at)

    def go_live(self) -> None:
        """Replay is over: strike now if that is due, and watch the workflow's timeout."""
        if self.struck:
            return
        if self.requested:
            self.strike()
        elif self.deadline is not None and self.deadline.wake_at is not None:
            remaining = (self.deadline.wake_at - self._session.clock.now()) / 1e6
            if remaining <= 0:
                self._time_out()
            else:
                self._timers.append(self._session.loop.create_task(self._expire(remaining), context=Context()))

    def request(self) -> None:
        """Somebody asks for the end while the execution runs here."""
        self.requested = True
        if self._session.releaser.open:
            self._in_turn(self.strike)

    def strike(self) -> None:
        """Raise `CancelledError` in the body, and give its cleanup a limited time."""
        if self.struck:
            return
        self.struck = True
        session = self._session
        session.cancel_body()
        self._timers.append(session.loop.call_later(CLEANUP_LIMIT, session.give_up, context=Context()))

    def extend(self, tasks: Collection[asyncio.Task[Any]], then: Callable[[], None]) -> None:
        """Cancel what an ended body has left running, and go on when its cleanup has ended too.

        asyncio ends a `gather` with its first cancelled member; the others have something to undo as well.
        """
        for task in tasks:
            if not task.cancelling():
                task.cancel()
        waiting = self._session.loop.create_task(asyncio.wait(tasks), context=Context())
        waiting.add_done_callback(lambda _: then(), context=Context())
        self._timers.append(waiting)

    def close(self) -> None:
        """Stop all timers."""
        for timer in self._timers:
            timer.cancel()

    async def _expire(self, remaining: float) -> None:
        await self._session.clock.sleep(remaining)
        self._in_turn(self._time_out)

    def _time_out(self) -> None:
        session = self._session
        if self.struck or session.releaser.closed:
            return
        self.timed_out = True
        session.recorder.note(ExecutionEventType.WORKFLOW_TIMED_OUT, session.workflow_source, session.workflow.name)
        self.strike()

    def _in_turn(self, act: Callable[[], None]) -> None:
        """Act when every outcome that came before has reached the code: replay repeats it at the same place."""
        turn = FluxFuture(loop=self._session.loop)
        turn.add_done_callback(lambda _: act(), context=Context())
        self._session.releaser.deliver(turn)
