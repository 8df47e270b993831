"""The execution as the user's code sees it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from flux.clock import to_datetime
from flux.codec import Codec, Payload, to_plain
from flux.domain import EventRecord, Execution, ExecutionEvent, ExecutionEventType, ExecutionState
from flux.domain.transitions import next_state
from flux.domain.workflow import WorkflowRef
from flux.engine.frame import CURRENT, current_call, current_frame
from flux.engine.ports import ValueCodec

__all__ = ["CURRENT", "CURRENT_CONTEXT", "ExecutionContext", "current_call"]

T = TypeVar("T")
_E = ExecutionEventType
_S = ExecutionState


class ExecutionContext(Generic[T]):
    """One execution: its input, its output, its state and its events.

    A workflow receives it as its only argument; `wf.run()` returns it. `T` is the type of the input: a
    pydantic model or a dataclass is validated and built from JSON.

    Example:
        >>> from flux import ExecutionContext, workflow
        >>> @workflow
        ... async def greet(ctx: ExecutionContext[str]):
        ...     return f"Hello, {ctx.input}"
        >>> ctx = greet.run("Ada")
        >>> ctx.output, ctx.has_succeeded
        ('Hello, Ada', True)
    """

    def __init__(self, execution: Execution, codec: ValueCodec, records: list[EventRecord] | None = None) -> None:
        self._execution = execution
        self._codec = codec
        self._records: list[EventRecord] = records if records is not None else []
        self._seqs: list[int] = [record.seq for record in self._records]
        self._events: list[ExecutionEvent] = []
        self._state = execution.state
        self._input: Any = _UNREAD
        self._output: Any = _UNREAD
        self._output_payload: Payload | None = execution.output

    @staticmethod
    async def get() -> ExecutionContext[Any]:
        """The context of the running execution; for use inside tasks.

        Raises `ExecutionError` outside of an execution.
        """
        return current_frame().session.context

    @staticmethod
    def from_json(document: str | bytes | Mapping[str, Any]) -> ExecutionContext[Any]:
        """The context that `to_json()` or `to_dict()` has described, or the HTTP API; for looking at.

        Its values are plain, as they are in JSON. Raises `UsageError` for what describes no execution.

        Example:
            >>> ctx = hello.run("Ada")  # doctest: +SKIP
            >>> ExecutionContext.from_json(ctx.to_json()).output  # doctest: +SKIP
            'Hello, Ada'
        """
        from flux.engine.described import context_of

        return context_of(document)

    @property
    def execution_id(self) -> str:
        """Unique id of the execution."""
        return self._execution.id

    @property
    def ref(self) -> WorkflowRef:
        """Namespace and name of the workflow."""
        return self._execution.ref

    @property
    def workflow_id(self) -> str:
        """`namespace/name/version` of the code it runs."""
        return f"{self._execution.ref}/{self._execution.version}"

    @property
    def workflow_name(self) -> str:
        """Name of the workflow."""
        return self._execution.ref.name

    @property
    def name(self) -> str:
        """Name of the workflow."""
        return self._execution.ref.name

    @property
    def workflow_namespace(self) -> str:
        """Namespace of the workflow."""
        return self._execution.ref.namespace

    @property
    def current_worker(self) -> str | None:
        """Who runs it: a worker's name, `local` for runs without a server, None before a claim."""
        owner = self._execution.owner
        return "local" if owner.startswith("local:") else owner or None

    @property
    def input(self) -> T:
        """The input, of type `T`."""
        if self._input is _UNREAD:
            self._input = self._codec.decode(self._execution.input)
        return self._input  # type: ignore[no-any-return]  # decoded values have the type the user declared

    @property
    def output(self) -> Any:
        """The result; of a failed execution its exception, of a paused one what the pause shows."""
        if self._output is _UNREAD:
            payload = self._output_payload
            self._output = None if payload is None else self._codec.decode(payload)
        return self._output

    @property
    def state(self) -> ExecutionState:
        """Where it stands."""
        return self._state

    @property
    def events(self) -> list[ExecutionEvent]:
        """All events so far, in order, their values decoded."""
        for index in range(len(self._events), len(self._records)):
            self._events.append(self._decode(self._records[index], self._seqs[index]))
        return self._events

    @property
    def has_started(self) -> bool:
        """The body has begun."""
        return any(record.type is _E.WORKFLOW_STARTED for record in self._records)

    @property
    def has_finished(self) -> bool:
        """Completed, failed or cancelled."""
        return self._state.is_terminal

    @property
    def has_succeeded(self) -> bool:
        """Completed."""
        return self._state is _S.COMPLETED

    @property
    def has_failed(self) -> bool:
        """Failed."""
        return self._state is _S.FAILED

    @property
    def is_paused(self) -> bool:
        """Waits for a person."""
        return self._state is _S.PAUSED

    @property
    def has_resumed(self) -> bool:
        """An answer has continued it."""
        return any(record.type is _E.WORKFLOW_RESUMED for record in self._records)

    @property
    def is_resuming(self) -> bool:
        """An answer is on its way."""
        return self._state in (_S.RESUMING, _S.RESUME_SCHEDULED, _S.RESUME_CLAIMED)

    @property
    def is_cancelled(self) -> bool:
        """Cancelled."""
        return self._state is _S.CANCELLED

    @property
    def is_cancelling(self) -> bool:
        """Being cancelled."""
        return self._state is _S.CANCELLING

    @property
    def is_scheduled(self) -> bool:
        """Given to a worker."""
        return self._state in (_S.SCHEDULED, _S.RESUME_SCHEDULED)

    @property
    def is_claimed(self) -> bool:
        """Taken by a worker."""
        return self._state in (_S.CLAIMED, _S.RESUME_CLAIMED)

    finished = has_finished
    succeeded = has_succeeded
    failed = has_failed
    paused = is_paused

    def summary(self) -> dict[str, Any]:
        """Plain values without the events."""
        codec = self._codec
        return {
            "workflow_id": self.workflow_id,
            "workflow_namespace": self.workflow_namespace,
            "workflow_name": self.workflow_name,
            "execution_id": self.execution_id,
            "input": _plain(self.input, codec),
            "output": _plain(self.output, codec),
            "state": str(self.state),
            "current_worker": self.current_worker,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values with the events."""
        events = [event.to_dict() | {"value": _plain(event.value, self._codec)} for event in self.events]
        return self.summary() | {"events": events}

    def to_json(self) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def recorded(self) -> tuple[Execution, tuple[EventRecord, ...]]:
        """What it shows, as it is stored: for who keeps it elsewhere."""
        return self._execution, tuple(self._records)

    def _extend(self, records: Sequence[EventRecord], first_seq: int) -> None:
        """Take in events that have just been recorded."""
        self._records.extend(records)
        self._seqs.extend(range(first_seq, first_seq + len(records)))
        for record in records:
            if record.type.startswith("WORKFLOW_"):
                self._state = next_state(self._state, record.type)

    def _set_input(self, value: T) -> None:
        self._input = value

    def _show(self, payload: Payload | None) -> None:
        """Take what an open pause shows as the output; it is decoded when somebody looks."""
        self._output, self._output_payload = _UNREAD, payload

    def _set_output(self, value: Any) -> None:
        self._output = value

    def _decode(self, record: EventRecord, seq: int) -> ExecutionEvent:
        value = None if record.payload is None else self._codec.decode(record.payload)
        time: datetime = to_datetime(record.time)
        return ExecutionEvent(record.type, record.source_id, record.name, value, time, record.id, seq)

    def __repr__(self) -> str:
        return f"<ExecutionContext {self.ref} {self.execution_id} {self.state}>"


class CurrentContext:
    """The type of `CURRENT_CONTEXT`: the context of the running execution, where code expects a `ContextVar`."""

    def get(self, *default: Any) -> Any:
        """The context; outside of executions the default, else `LookupError` is raised."""
        frame = CURRENT.get()
        if frame is not None:
            return frame.session.context
        if default:
            return default[0]
        raise LookupError("No execution is running here.")


CURRENT_CONTEXT = CurrentContext()


class _Unread:
    """Marks a value that has not been decoded yet."""


_UNREAD: Any = _Unread()


def _plain(value: Any, codec: ValueCodec) -> Any:
    """JSON-safe form of a value, for people and APIs: without secrets."""
    return to_plain(codec.guard(Codec().encode(value)))
