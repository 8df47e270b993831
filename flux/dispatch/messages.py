"""How the worker port looks on the wire, for both of its ends.

Deliveries travel as server-sent events whose data is JSON; everything else is one POST (or GET) whose
bodies are MessagePack of the dataclasses in `flux.dispatch.port`:

| call | request | body | answer |
|---|---|---|---|
| register | `POST /workers/register` (Bearer bootstrap token) | `Registration` | `Session` |
| deliveries | `GET /workers/{name}/connect` | | SSE |
| claim | `POST /workers/{name}/claim/{id}` | | `Claim` |
| checkpoint | `POST /workers/{name}/checkpoint/{id}` | `Checkpoint` | `Acknowledged` |
| many at once | `POST /workers/{name}/checkpoints` | `list[Checkpoint]` | `list[CheckpointAnswer]` |
| bundle | `GET /workers/{name}/bundles/{digest}` | | `Bundle` |
| ask | `POST /workers/{name}/ask/{id}` | `Inquiry` | `dict[str, Payload]` |
| heartbeat | `POST /workers/{name}/heartbeat` | `list[str]` | 204 |
| history | `GET /workers/{name}/histories/{id}/{after}` | | `HistoryPage` |
| progress, logs, died, validated, probed, replayed, leave | `POST /workers/{name}/…` | as in the port | 204 |

All but the first carry the session token as Bearer. Errors are problem documents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from flux.dispatch.port import (
    Acknowledged,
    Answered,
    Assigned,
    CancelRequested,
    Delivery,
    Prewarm,
    ProbeRequested,
    ReplayRequested,
    ValidationRequested,
)

T = TypeVar("T")

MEDIA_TYPE = "application/vnd.msgpack"

_EVENTS: dict[type[Any], str] = {
    Assigned: "execution_scheduled",
    Answered: "execution_resumed",
    CancelRequested: "execution_cancelled",
    ProbeRequested: "probe",
    ReplayRequested: "replay",
    ValidationRequested: "validate",
    Prewarm: "prewarm",
}
_TYPES = {event: type_ for type_, event in _EVENTS.items()}


@dataclass(frozen=True, slots=True)
class Session:
    """Answer to a registration: the token for all further calls of this worker."""

    name: str
    session_token: str


@dataclass(frozen=True, slots=True)
class CheckpointAnswer:
    """What came of one checkpoint of a batch: `acknowledged`, or `problem` (a problem document)."""

    acknowledged: Acknowledged | None = None
    problem: dict[str, Any] | None = None


def to_event(delivery: Delivery) -> tuple[str, bytes]:
    """Name and JSON data of the server-sent event for a delivery.

    Example:
        >>> to_event(Prewarm("d1"))
        ('prewarm', b'{"digest":"d1"}')
    """
    return _EVENTS[type(delivery)], msgspec.json.encode(delivery)


def from_event(event: str, data: str | bytes) -> Delivery | None:
    """The delivery of a server-sent event; None for events that carry none (`ping`, newer ones)."""
    kind = _TYPES.get(event)
    return None if kind is None else msgspec.json.decode(data, type=kind)


def pack(value: Any) -> bytes:
    """A body."""
    return msgspec.msgpack.encode(value)


def unpack(body: bytes, type_: type[T]) -> T:
    """A body's value; raises `msgspec.ValidationError` when it is not one of `type_`."""
    return msgspec.msgpack.decode(body, type=type_)
