"""The events of a run, in forms that plain asserts compare well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

from flux.domain import ExecutionEvent, ExecutionEventType
from flux.engine.task import Task
from flux.engine.workflow import Workflow

_T = ExecutionEventType
_WIDTH = 60
"""Characters of a value that a table shows."""


class Events(Sequence[ExecutionEvent]):
    """Events in order; printed they are a table, one event a line.

    Example:
        >>> from flux.domain import ExecutionEvent, ExecutionEventType
        >>> events = Events([ExecutionEvent(ExecutionEventType.TASK_COMPLETED, "charge_1", "charge", "receipt", seq=3)])
        >>> events.of("charge").types, events.completed, events.values
        (['TASK_COMPLETED'], ['charge'], ['receipt'])
        >>> print(events)
          3  TASK_COMPLETED  charge  'receipt'
    """

    def __init__(self, events: Iterable[ExecutionEvent] = ()) -> None:
        self._events = list(events)

    def of(self, *wanted: str | Task[..., Any] | Workflow[Any, Any]) -> Events:
        """Those of some tasks, workflows, pauses or types, by name or by object."""
        names = {one if isinstance(one, str) else one.name for one in wanted}
        pauses = {event.source_id for event in self._events if event.type is _T.TASK_PAUSED and event.value in names}
        return Events(
            event for event in self._events if event.name in names or event.type in names or event.source_id in pauses
        )

    @property
    def types(self) -> list[str]:
        """The type of each."""
        return [str(event.type) for event in self._events]

    @property
    def values(self) -> list[Any]:
        """The value of each."""
        return [event.value for event in self._events]

    @property
    def completed(self) -> list[str]:
        """Names of the tasks that completed, in the order in which they did."""
        return [event.name for event in self._events if event.type is _T.TASK_COMPLETED]

    @property
    def lines(self) -> list[str]:
        """Each as `TYPE name`."""
        return [f"{event.type} {event.name}" for event in self._events]

    @overload
    def __getitem__(self, index: int) -> ExecutionEvent: ...
    @overload
    def __getitem__(self, index: slice) -> Events: ...
    def __getitem__(self, index: int | slice) -> ExecutionEvent | Events:
        """One of them, or a part."""
        return Events(self._events[index]) if isinstance(index, slice) else self._events[index]

    def __iter__(self) -> Iterator[ExecutionEvent]:
        """In order."""
        return iter(self._events)

    def __len__(self) -> int:
        """How many."""
        return len(self._events)

    def __str__(self) -> str:
        width = max((len(event.type) for event in self._events), default=0)
        names = max((len(event.name) for event in self._events), default=0)
        rows = (
            f"{event.seq:>3}  {event.type:<{width}}  {event.name:<{names}}  {_shown(event.value)}".rstrip()
            for event in self._events
        )
        return "\n".join(rows)

    def __repr__(self) -> str:
        return f"<events:\n{self}\n>" if self._events else "<no events>"


def _shown(value: Any) -> str:
    text = "" if value is None else " ".join(repr(value).split())
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
