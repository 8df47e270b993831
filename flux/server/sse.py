"""Server-sent events: frames, keep-alives, and the followers behind the streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import StreamingResponse

from flux.clock import to_datetime
from flux.dispatch.bus import Bus, Committed, Gap, Message, Progressed, Subscription
from flux.dispatch.records import is_finished
from flux.domain import EventRecord, Execution, ExecutionState
from flux.domain.transitions import next_state
from flux.server import views
from flux.server.bodies import dumps
from flux.store import Store

KEEPALIVE = 15.0
"""Seconds after which a silent stream sends a comment."""

PING = b": keep-alive\n\n"

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

STREAM_DOCS: dict[str, Any] = {
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
    "description": "Events",
}


def frame(data: Any, *, event: str = "", id: int | None = None) -> bytes:
    """One event; data is plain values.

    Example:
        >>> frame({"a": 1}, event="x", id=7)
        b'id: 7\\nevent: x\\ndata: {"a":1}\\n\\n'
    """
    return raw_frame(dumps(data), event=event, id=id)


def raw_frame(data: bytes, *, event: str = "", id: int | None = None) -> bytes:
    """One event; data is JSON on one line."""
    head = b"" if id is None else b"id: %d\n" % id
    name = b"event: %s\n" % event.encode() if event else b""
    return b"%s%sdata: %s\n\n" % (head, name, data)


def stream(frames: AsyncIterator[bytes]) -> StreamingResponse:
    """A response of event frames."""
    return StreamingResponse(frames, media_type="text/event-stream", headers=_HEADERS)


def event_name(type_: str) -> str:
    """How an event type is named in streams.

    Example:
        >>> event_name("TASK_RETRY_STARTED")
        'task.retry.started'
    """
    return type_.lower().replace("_", ".")


@dataclass(slots=True)
class Follower:
    """The events of one execution in order, from `after` on, live until `done`.

    It listens from the moment it is made, so make it right after the command whose effects it is to show.

    Attributes:
        execution: how it stands after what was yielded last.
    """

    store: Store
    bus: Bus
    execution: Execution
    after: int = 0
    done: Callable[[Execution], bool] = is_finished
    _items: list[EventRecord | Progressed] = field(default_factory=list)
    _subscription: Subscription = field(init=False)

    def __post_init__(self) -> None:
        self._subscription = self.bus.subscribe(self.execution.id)

    async def batches(self) -> AsyncGenerator[list[EventRecord | Progressed]]:
        """Batches of events and progress; an empty one after a silence."""
        with self._subscription as subscription:
            await self._refill()
            await self._round_off(subscription)
            yield self._take()
            while not self._finished:
                messages = await subscription.batch(KEEPALIVE)
                if messages is None:
                    return
                for message in messages:
                    await self._receive(message)
                await self._round_off(subscription)
                yield self._take()

    @property
    def _finished(self) -> bool:
        return self.done(self.execution) and self.after >= self.execution.last_seq

    async def _round_off(self, subscription: Subscription) -> None:
        """At the end: what was reported on the way is shown, and before the end."""
        if self._finished:
            for message in await subscription.batch(timeout=0) or ():
                await self._receive(message)
            self._items.sort(key=lambda item: isinstance(item, EventRecord))

    async def _receive(self, message: Message) -> None:
        match message:
            case Committed(execution, events):
                if execution.last_seq >= self.execution.last_seq:
                    self.execution = execution
                news = [event for event in events if event.seq > self.after]
                if news and news[0].seq != self.after + 1:
                    await self._refill()
                else:
                    self._add(news)
            case Progressed():
                self._items.append(message)
            case Gap():
                await self._refill()
            case _:
                pass

    async def _refill(self) -> None:
        """Read what is missing, then how the execution stands: never older than its events."""
        self._add(await self.store.executions.history(self.execution.id, after=self.after))
        self.execution = await self.store.executions.get(self.execution.id)

    def _add(self, events: Sequence[EventRecord]) -> None:
        for event in events:
            self._items.append(event)
            self.after = event.seq

    def _take(self) -> list[EventRecord | Progressed]:
        items, self._items = self._items, []
        return items


async def event_frames(follower: Follower) -> AsyncIterator[bytes]:
    """`GET /executions/{id}/events` as a stream: each event with its seq as id, progress without."""
    async with aclosing(follower.batches()) as batches:
        async for items in batches:
            yield b"".join(map(_event_frame, items)) or PING


async def run_frames(follower: Follower, state: ExecutionState) -> AsyncIterator[bytes]:
    """A run's stream: `workflow.execution.*` for each state, `task.*` for each task event."""
    yield _state_frame(follower.execution, state, follower.execution.updated_at)
    async with aclosing(follower.batches()) as batches:
        async for items in batches:
            frames = []
            for item in items:
                if isinstance(item, Progressed) or item.type.startswith("TASK_"):
                    frames.append(_event_frame(item))
                elif (after := next_state(state, item.type)) is not state:
                    state = after
                    frames.append(_state_frame(follower.execution, state, item.time))
            yield b"".join(frames) or PING


def _event_frame(item: EventRecord | Progressed) -> bytes:
    if isinstance(item, Progressed):
        return frame(views.progress(item.progress, item.time), event="task.progress")
    return frame(views.event(item), event=event_name(item.type), id=item.seq)


def _state_frame(execution: Execution, state: ExecutionState, time: int) -> bytes:
    data: dict[str, Any] = {"execution_id": execution.id, "state": str(state), "timestamp": to_datetime(time)}
    if execution.state is state and (state is ExecutionState.PAUSED or state.is_terminal):
        data["output"] = views.plain(execution.output)
    return frame(data, event=f"workflow.execution.{state.lower()}")
