"""What the store takes and gives besides the domain's own records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flux.domain import EventRecord, Execution, ExecutionState
from flux.records import record


@record
class Append:
    """Events for an execution, by its owner or by the server.

    Attributes:
        generation: of the claim; anything but the current one is refused.
        events: in order. An owner numbers its events with `ordinal`; the server's have none.
        release: let go of the execution with them.
        version: move the execution to this version of its workflow (with `digest`).
        digest: the bundle of that version.
    """

    execution_id: str
    generation: int
    events: Sequence[EventRecord]
    release: bool = False
    version: int | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit did to one execution.

    Attributes:
        execution: as it stands after it.
        events: as they are stored, with `seq` and `position`; none when it was created, or only its place in the
            queue has changed.
        ready: it waits for an owner now.
    """

    execution: Execution
    events: tuple[EventRecord, ...] = ()
    ready: bool = False


@dataclass(frozen=True, slots=True)
class Appended(Change):
    """What became of an append.

    Attributes:
        duplicate: all of it had been stored before; nothing has changed.
        others: what the same commit did to its parent and its children, in order; to itself once more at times.
    """

    duplicate: bool = False
    others: tuple[Change, ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """All that the commit did, in order; nothing for a duplicate."""
        return () if self.duplicate else (self, *self.others)

    def latest(self, execution_id: str) -> Execution | None:
        """An execution as the commit left it, if the commit has touched it."""
        touched = (change.execution for change in (*reversed(self.others), self))
        return next((one for one in touched if one.id == execution_id), None)


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """Which executions a list shows; empty members let everything through.

    Attributes:
        states: any of these.
        workflow: a name in any namespace, or `namespace/name`.
        parent: only the children of this execution.
    """

    states: Sequence[ExecutionState] = ()
    workflow: str | None = None
    namespace: str | None = None
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of a list of executions, newest first.

    Attributes:
        next_cursor: asks for older ones; None at the end.
        total: how many match, counted up to `COUNT_LIMIT` of `flux.store.executions`.
    """

    items: tuple[Execution, ...]
    next_cursor: str | None = None
    total: int = 0


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A worker that has registered once.

    Attributes:
        data: what it said of itself.
        registered_at: microseconds UTC, of the first time.
        last_seen: microseconds UTC.
    """

    name: str
    data: Mapping[str, Any]
    registered_at: int
    last_seen: int
