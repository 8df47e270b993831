"""The firehose: everything that happens, as one stream of `LiveEvent`s."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any, assert_never

from flux.dispatch.bus import Bus, Committed, Gap, Logged, Message, Progressed, Published, Reloaded, WorkerChanged
from flux.domain import EventRecord, Execution
from flux.server import views
from flux.server.bodies import dumps
from flux.server.sse import KEEPALIVE, PING, raw_frame
from flux.store import Store

MISSED = 10_000
"""Events a reconnecting reader gets again; one that missed more gets a `gap` instead."""

_PAGE = 500
_CACHED = 256


@dataclass(frozen=True, slots=True)
class Filter:
    """What a reader wants; empty sets mean everything. `gap` always passes.

    Attributes:
        workflows: names or `namespace/name`. states: of the execution after the event.
        types: event types or kinds of messages, in upper case.
    """

    workflows: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()

    def wants(self, item: Item) -> bool:
        """Whether a message passes."""
        if item.kind == "gap":
            return True
        if self.types and not self.types & {item.kind.upper(), item.type}:
            return False
        if not self.workflows and not self.states:
            return True
        one = item.execution
        if one is None:
            return False
        named = not self.workflows or one.ref.name in self.workflows or str(one.ref) in self.workflows
        return named and (not self.states or str(one.state) in self.states)


@dataclass(slots=True)
class Item:
    """One message of the firehose, encoded when the first reader wants it.

    Attributes:
        position: of the event; 0 for messages that are not events. id: safe to resume from.
    """

    kind: str
    body: dict[str, Any]
    id: int = 0
    position: int = 0
    type: str = ""
    execution: Execution | None = None
    event: EventRecord | None = None
    _data: bytes = b""

    def frame(self, reached: int) -> bytes:
        """The server-sent event. `reached` is the reader's position, for messages that have none."""
        if not self.position:
            return raw_frame(dumps({"id": reached, "kind": self.kind, **self.body}))
        if not self._data:
            self._data = raw_frame(dumps({"id": self.id, "kind": self.kind, **self._event_body()}), id=self.id)
        return self._data

    def _event_body(self) -> dict[str, Any]:
        assert self.execution is not None
        body: dict[str, Any] = {"execution": views.execution(self.execution, brief=True)}
        if self.event is not None:
            body["event"] = views.event(self.event, brief=True)
        return body


@dataclass(slots=True)
class Firehose:
    """Streams of all messages, each encoded once however many read it."""

    store: Store
    bus: Bus
    _cache: OrderedDict[int, tuple[Message, list[Item]]] = field(default_factory=OrderedDict)

    async def frames(self, last_event_id: int | None, wanted: Filter) -> AsyncIterator[bytes]:
        """The stream: missed events first, when the reader says where it was; then live."""
        with self.bus.subscribe() as subscription:
            reached = self.bus.mark.reached if last_event_id is None else last_event_id
            yield b"id: %d\n\n" % reached
            replayed = 0
            if last_event_id is not None:
                async for reached, items in self._missed(last_event_id):
                    replayed = reached
                    yield _join(items, wanted, reached)
            while (messages := await subscription.batch(KEEPALIVE)) is not None:
                items = [item for message in messages for item in self._items(message)]
                news = [item for item in items if not item.position or item.position > replayed]
                reached = max([reached, *(item.id for item in news)])
                yield _join(news, wanted, reached) or PING

    async def _missed(self, after: int) -> AsyncIterator[tuple[int, list[Item]]]:
        last = await self.store.executions.last_position()
        if after > last or last - after > MISSED:
            yield last, [Item("gap", {})]
            return
        while after < last:
            rows = await self.store.executions.tail(after, _PAGE)
            if not rows:
                return
            after = rows[-1][1].position
            yield after, [_event_item(execution, event, event.position) for execution, event in rows]

    def _items(self, message: Message) -> list[Item]:
        key = id(message)
        known = self._cache.get(key)
        if known is not None and known[0] is message:
            return known[1]
        items = list(_items_of(message))
        self._cache[key] = (message, items)
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return items


def _items_of(message: Message) -> Iterable[Item]:
    match message:
        case Committed(execution, events, reached):
            if not events:
                yield Item("event", {"execution": views.execution(execution, brief=True)}, execution=execution)
            for event in events:
                yield _event_item(execution, event, min(event.position, reached))
        case Logged(lines):
            for line in lines:
                yield Item("log", {"log": views.log_line(line)})
        case _:
            yield _other(message)


def _other(message: Progressed | Published | WorkerChanged | Reloaded | Gap) -> Item:
    match message:
        case Progressed(progress, time, execution):
            body: dict[str, Any] = {"event": views.progress(progress, time)}
            if execution is not None:
                body["execution"] = views.execution(execution, brief=True)
            return Item("progress", body, type="TASK_PROGRESS", execution=execution)
        case Published(version, deleted):
            return Item("workflow", {"workflow": views.workflow(version), "deleted": deleted})
        case WorkerChanged(worker):
            return Item("worker", {"worker": worker.model_dump(mode="json")})
        case Reloaded(reload):
            return Item("reload", {"reload": reload.model_dump(mode="json")})
        case Gap():
            return Item("gap", {})
        case _:
            assert_never(message)


def _event_item(execution: Execution, event: EventRecord, id: int) -> Item:
    return Item("event", {}, id=id, position=event.position, type=str(event.type), execution=execution, event=event)


def _join(items: Iterable[Item], wanted: Filter, reached: int) -> bytes:
    return b"".join(item.frame(reached) for item in items if wanted.wants(item))
