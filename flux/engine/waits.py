"""The open waits of an activation: each is a future that an answer or a time resolves."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from flux.domain import EventRecord, ExecutionEventType, Wait, WaitKind
from flux.domain.events import HUMAN_WAITS
from flux.engine.quiet import FluxFuture

if TYPE_CHECKING:
    from flux.engine.calls import CallCounter
    from flux.engine.history import History


def _unread(history: History, wait_id: str) -> list[EventRecord]:
    """Recorded answers to a wait that the code has neither taken nor refused yet."""
    call = history.calls.get(wait_id)
    refused = sum(step.type is ExecutionEventType.TASK_RESUME_REJECTED for step in call.steps) if call else 0
    return history.answers[wait_id][refused:]


class Waits:
    """Open waits by id, and the answers recorded for them.

    Attributes:
        stirred: when a wait for a child was opened or answered last, by the loop's clock.
    """

    def __init__(self, history: History, calls: CallCounter) -> None:
        self._calls = calls
        self._answers = {wait_id: _unread(history, wait_id) for wait_id in history.answers}
        self._open: dict[str, tuple[Wait, FluxFuture]] = {}
        self._resting: set[str] = set()
        self._ended: set[str] = set()
        self.stirred = -math.inf
        self._timers: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> bool:
        """Whether anything is waited for."""
        return bool(self._open)

    @property
    def human(self) -> list[Wait]:
        """Open waits that only a person ends, oldest first."""
        return [wait for wait, _ in self._open.values() if wait.kind in HUMAN_WAITS]

    @property
    def next_wake(self) -> float:
        """When the first of the open waits ends by itself (microseconds UTC); infinite when none does."""
        return min((wait.wake_at for wait, _ in self._open.values() if wait.wake_at is not None), default=math.inf)

    @property
    def resting_below(self) -> bool:
        """Whether a child that is waited for does not go on in this process."""
        return any(wait_id in self._resting for wait_id in self._open)

    @property
    def consumable(self) -> bool:
        """Whether an open wait has been answered and is about to go on."""
        return any(future.done() for _, future in self._open.values())

    @property
    def backing_off(self) -> bool:
        """Whether a task waits for its next attempt."""
        return any(wait.kind is WaitKind.BACKOFF for wait, _ in self._open.values())

    def inside(self, call_id: str) -> list[Wait]:
        """Open waits of calls that were made inside a call."""
        if not self._open:
            return []
        return [wait for wait, _ in self._open.values() if call_id in self._calls.ancestors(wait.id)]

    def enter(self, wait: Wait, loop: asyncio.AbstractEventLoop) -> FluxFuture:
        """Open a wait; the future resolves with the answering event, or None when its time has come."""
        future = FluxFuture(loop=loop)
        self._open[wait.id] = (wait, future)
        if wait.kind is WaitKind.CHILD:
            self.stirred = loop.time()
        if answers := self._answers.get(wait.id):
            future.set_result(answers.pop(0))
        return future

    def has_ended(self, wait_id: str) -> bool:
        """Whether an answer has come while this activation lasts."""
        return wait_id in self._ended

    def rest(self, wait_id: str) -> None:
        """The child behind a wait does not go on while this activation lasts."""
        self._resting.add(wait_id)

    def leave(self, wait: Wait) -> None:
        """The wait is over."""
        self._open.pop(wait.id, None)

    def answered(self, event: EventRecord) -> None:
        """An answer has come."""
        entry = self._open.get(event.wait_id)
        self._ended.add(event.wait_id)
        if entry is not None and not entry[1].done():
            entry[1].set_result(event)
            if entry[0].kind is WaitKind.CHILD:
                self.stirred = entry[1].get_loop().time()
        else:
            self._answers.setdefault(event.wait_id, []).append(event)

    def keep(self, timer: asyncio.Task[None]) -> None:
        """Hold a timer until the activation ends."""
        self._timers.add(timer)
        timer.add_done_callback(self._timers.discard)

    def close(self) -> None:
        """Stop all timers."""
        for timer in list(self._timers):
            timer.cancel()
