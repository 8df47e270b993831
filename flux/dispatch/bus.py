"""The one live path: what was committed goes from here to whoever waits for it.

Publishing never blocks and never awaits. A reader that is too slow loses its queue and is told so
(`Gap`): it refetches what it needs, and nobody else is held up by it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakSet

from flux.domain import EventRecord, Execution, LogLine, WorkflowVersion
from flux.errors import ServerUnavailableError

if TYPE_CHECKING:
    from flux.dispatch.port import Progress
    from flux.wire.models import ReloadModel, WorkerModel

CAPACITY = 10_000
"""Messages a reader may lag behind before it gets a `Gap`."""


@dataclass(frozen=True, slots=True)
class Committed:
    """Events of one execution are durable; `execution` is how it stands after them.

    `events` is empty when the execution was created or put back into the queue. Everything up to position
    `reached` was published before, or with, this message.
    """

    execution: Execution
    events: tuple[EventRecord, ...] = ()
    reached: int = 0


@dataclass(frozen=True, slots=True)
class Progressed:
    """A running task reported progress; never stored."""

    progress: Progress
    time: int
    execution: Execution | None = None


@dataclass(frozen=True, slots=True)
class Logged:
    """Captured lines arrived."""

    lines: tuple[LogLine, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """A version of a workflow was published, or its name deleted."""

    version: WorkflowVersion
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class WorkerChanged:
    """A worker came, went, or changed."""

    worker: WorkerModel


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The watcher checked a file."""

    reload: ReloadModel


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages before this one were dropped for this reader: refetch."""


Message = Committed | Progressed | Logged | Published | WorkerChanged | Reloaded | Gap


class Subscription:
    """A bounded queue of messages for one reader.

    Example:
        with bus.subscribe() as subscription:
            while (batch := await subscription.batch(timeout=15)) is not None:
                ...
    """

    def __init__(self, leave: Callable[[Subscription], None], capacity: int) -> None:
        self._leave = leave
        self._capacity = capacity
        self._queue: deque[Message] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._closed = False

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *exc: object) -> None:
        self._leave(self)

    def offer(self, message: Message) -> None:
        """Queue a message; a full queue is replaced by one `Gap`."""
        if len(self._queue) >= self._capacity:
            self._queue.clear()
            self._queue.append(Gap())
        self._queue.append(message)
        self._notify()

    def end(self) -> None:
        """No more messages will come."""
        self._closed = True
        self._notify()

    async def batch(self, timeout: float | None = None) -> list[Message] | None:
        """All that is queued, waiting for the first; [] after `timeout` seconds, None at the end."""
        if not self._queue and not self._closed:
            self._wake = asyncio.get_running_loop().create_future()
            await asyncio.wait((self._wake,), timeout=timeout)
            self._wake = None
        if not self._queue:
            return None if self._closed else []
        messages = list(self._queue)
        self._queue.clear()
        return messages

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class Watermark:
    """Which positions of the commit order have been published, assuming that positions are dense.

    Example:
        >>> mark = Watermark(3)
        >>> mark.add(5); mark.reached
        3
        >>> mark.add(4); mark.reached
        5
    """

    def __init__(self, start: int = 0) -> None:
        self.reached = start
        self._ahead: set[int] = set()

    def add(self, position: int) -> None:
        """Note a published position."""
        if position <= self.reached:
            return
        self._ahead.add(position)
        self._advance()

    def knows(self, position: int) -> bool:
        """Whether that position has been published."""
        return position <= self.reached or position in self._ahead

    def skip_to(self, position: int) -> None:
        """Everything up to `position` is settled."""
        self.reached = max(self.reached, position)
        self._ahead = {ahead for ahead in self._ahead if ahead > self.reached}
        self._advance()

    def _advance(self) -> None:
        while self.reached + 1 in self._ahead:
            self.reached += 1
            self._ahead.remove(self.reached)


Waiter = tuple[Callable[[Execution], bool], "asyncio.Future[Execution]"]


class Bus:
    """Hands messages to subscribers and wakes those who wait for one execution.

    Example:
        waiting = bus.until(execution_id, lambda execution: execution.state.is_terminal)
        bus.publish(Committed(execution, events))
        execution = await waiting
    """

    def __init__(self, position: int = 0) -> None:
        self.mark = Watermark(position)
        # Weak: a stream whose client left before its first byte never says goodbye.
        self._all: WeakSet[Subscription] = WeakSet()
        self._of: dict[str, WeakSet[Subscription]] = {}
        self._waiters: dict[str, list[Waiter]] = {}
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether the server is going away."""
        return self._closed

    def publish(self, message: Message) -> None:
        """Hand out one message."""
        for subscription in self._all:
            subscription.offer(message)
        if self._of and (execution_id := _execution_id(message)) in self._of:
            for subscription in self._of[execution_id]:
                subscription.offer(message)
            if not self._of[execution_id]:
                del self._of[execution_id]

    def committed(self, execution: Execution, events: Sequence[EventRecord] = ()) -> None:
        """Publish what a commit did to one execution: right after the commit, so in commit order."""
        for event in events:
            self.mark.add(event.position)
        self._settle(execution)
        self.publish(Committed(execution, tuple(events), self.mark.reached))

    def subscribe(self, execution_id: str = "", capacity: int = CAPACITY) -> Subscription:
        """A queue of all messages, or of those of one execution."""
        subscription = Subscription(lambda gone: self._unsubscribe(execution_id, gone), capacity)
        if self._closed:
            subscription.end()
        elif execution_id:
            self._of.setdefault(execution_id, WeakSet()).add(subscription)
        else:
            self._all.add(subscription)
        return subscription

    def until(self, execution_id: str, predicate: Callable[[Execution], bool]) -> asyncio.Future[Execution]:
        """A future for the first commit after which `predicate` holds for the execution.

        It looks only at commits from now on. Cancel it to stop waiting. Raises
        `ServerUnavailableError` when the server goes away first.
        """
        future: asyncio.Future[Execution] = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_exception(ServerUnavailableError("The server is shutting down."))
            return future
        waiter = (predicate, future)
        self._waiters.setdefault(execution_id, []).append(waiter)
        future.add_done_callback(lambda _: self._forget(execution_id, waiter))
        return future

    def close(self) -> None:
        """End all subscriptions and fail all waiters, so that open requests finish."""
        self._closed = True
        for subscription in [*self._all, *(one for group in self._of.values() for one in group)]:
            subscription.end()
        for waiters in list(self._waiters.values()):
            for _, future in list(waiters):
                if not future.done():
                    future.set_exception(ServerUnavailableError("The server is shutting down."))

    def _settle(self, execution: Execution) -> None:
        for predicate, future in self._waiters.get(execution.id, ()):
            if not future.done() and predicate(execution):
                future.set_result(execution)

    def _forget(self, execution_id: str, waiter: Waiter) -> None:
        waiters = self._waiters.get(execution_id, [])
        if waiter in waiters:
            waiters.remove(waiter)
        if not waiters:
            self._waiters.pop(execution_id, None)

    def _unsubscribe(self, execution_id: str, gone: Subscription) -> None:
        self._all.discard(gone)
        group = self._of.get(execution_id)
        if group is not None:
            group.discard(gone)
            if not group:
                del self._of[execution_id]


def _execution_id(message: Message) -> str:
    match message:
        case Committed():
            return message.execution.id
        case Progressed():
            return message.progress.execution_id
        case _:
            return ""
