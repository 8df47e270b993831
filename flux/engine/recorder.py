"""Turns what happens in an activation into events, and waits until they are durable."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any

from flux.codec import Payload, from_plain, to_plain
from flux.domain import EventRecord, ExecutionEventType, Wait, WaitKind
from flux.engine.calls import Call
from flux.engine.endings import Ending
from flux.engine.frame import Frame, entered
from flux.engine.history import RecordedCall
from flux.engine.quiet import CommitFuture, Turns
from flux.errors import CodecError, ExecutionError, NonDeterminismError

if TYPE_CHECKING:
    from flux.engine.session import Session

_T = ExecutionEventType
TIMELESS = frozenset({_T.WORKFLOW_COMPLETED, _T.WORKFLOW_FAILED, _T.WORKFLOW_CANCELLED, _T.WORKFLOW_TIMED_OUT})
"""Events behind which the workflow's timeout ends nothing any more."""
START_DELAY = 0.05
"""Seconds after which a task that still runs shows its start; a shorter one costs one commit."""


class Recorder:
    """Writes the events of one activation, in order, through the journal.

    Events are noted first and travel with the next append; an outcome is committed: the code that
    awaits it goes on when it is durable.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._loop = session.loop
        self._noted: list[EventRecord] = []
        self._ordinal = 0
        self._id_prefix = f"{session.execution_id}.{session.execution.generation}."
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._neutral = Context()
        self._turns = Turns(session.loop)
        self._cancelled_calls = set(session.history.being_rolled_back)
        self._unsettled: list[CommitFuture] = []
        self._in_flight = 0
        self._flushing: asyncio.Handle | None = None
        self.relaxed = session.workflow.options.durability == "relaxed"

    @property
    def pending(self) -> bool:
        """Events are noted that no append has taken along yet."""
        return bool(self._noted)

    @property
    def unsettled(self) -> bool:
        """Somebody waits for a commit that is not through."""
        return bool(self._unsettled or self._in_flight)

    # -- one call -------------------------------------------------------------------------------

    async def record(self, call: Call, recorded: RecordedCall | None, body: Callable[[], Awaitable[Any]]) -> Any:
        """Run a call's body and make its outcome durable; the outcome is returned or raised."""
        if recorded is None:
            self.note_call(_T.TASK_STARTED, call, self.encode_arguments(call))
        try:
            self._check_arguments(call)
            with entered(Frame(self._session, call.id, call.id, call.name, call.parent, call.location)):
                value = await body()
            payload = self._encode_value(value)
        except asyncio.CancelledError:
            await self._cancelled(call)
            raise
        except Exception as error:
            await self._conclude(_T.TASK_FAILED, call, self.encode_error(error))
            raise
        await self._conclude(_T.TASK_COMPLETED, call, payload)
        return value

    async def _conclude(self, type: ExecutionEventType, call: Call, payload: Payload) -> None:
        """Make an outcome durable.

        Code that is cancelled meanwhile never sees it; that is recorded behind it, so that replay agrees.
        """
        self._end_waits_inside(call)
        self.note_call(type, call, payload)
        try:
            await self.commit()
        except asyncio.CancelledError:
            await self._cancelled(call)
            raise

    def _end_waits_inside(self, call: Call) -> None:
        """What a finished call has left waiting is never taken up again."""
        for wait in self._session.waits.inside(call.id):
            parent = next(self._session.calls.ancestors(wait.id), "")
            self.note(_T.TASK_CANCELLED, wait.id, wait.name, parent=parent)
            self._session.waits.leave(wait)

    def replay(self, outcome: EventRecord) -> Any:
        """The recorded outcome: its value returned, its error raised."""
        if outcome.type is _T.TASK_CANCELLED:
            raise asyncio.CancelledError
        if outcome.type is _T.TASK_FAILED:
            raise self.decode_error(outcome.payload)
        return self.decode(outcome.payload)

    async def _cancelled(self, call: Call) -> None:
        if not self._closed:
            self.note_cancelled(call)
            await self.commit()

    async def cancel_begun(self, call: Call, undo: Callable[[], Awaitable[None]] | None) -> None:
        """Record the cancellation of a call that an earlier activation has begun."""
        self.note_cancelled(call)
        if undo is not None:
            await undo()
        await self.commit()

    def note_cancelled(self, call: Call) -> None:
        """Take down, once, that a call is cancelled: before its rollback, or when it has none."""
        if call.id not in self._cancelled_calls:
            self._cancelled_calls.add(call.id)
            self.note_call(_T.TASK_CANCELLED, call)

    # -- notes and commits --------------------------------------------------------------------------

    def note(
        self,
        type: ExecutionEventType,
        source_id: str,
        name: str,
        payload: Payload | None = None,
        *,
        call: Call | None = None,
        parent: str = "",
        wait: Wait | None = None,
    ) -> None:
        """Take an event down; it goes with the next append, or alone after `START_DELAY`."""
        self._ordinal += 1
        if source_id == self._session.workflow_source and type not in TIMELESS:
            wait = wait or self._session.cancellation.deadline
        record = EventRecord(
            type,
            source_id,
            name,
            self._session.clock.now(),
            f"{self._id_prefix}{self._ordinal}",
            payload,
            ordinal=self._ordinal,
            parent=call.parent if call else parent,
            digest=call.digest if call else "",
            location=call.location if call else "",
            wait=wait,
        )
        if not self._closed:
            self._noted.append(record)
            if self._timer is None:
                self._timer = self._loop.call_later(START_DELAY, self._flush_late, context=self._neutral)

    def note_call(
        self, type: ExecutionEventType, call: Call, payload: Payload | None = None, wait: Wait | None = None
    ) -> None:
        """Take an event of a call down."""
        self.note(type, call.id, call.name, payload, call=call, wait=wait)

    async def commit_call(
        self, type: ExecutionEventType, call: Call, payload: Payload | None = None, wait: Wait | None = None
    ) -> None:
        """Take an event of a call down and come back when it is durable."""
        self.note_call(type, call, payload, wait)
        await self.commit()

    def note_step(self, type: ExecutionEventType, frame: Frame, value: Any = None, wait: Wait | None = None) -> None:
        """Take down an event of the built-in whose body runs in `frame`."""
        payload = None if value is None else self.encode_step(value)
        self.note(type, frame.call_id, frame.name, payload, parent=frame.parent, wait=wait)

    async def commit_step(self, type: ExecutionEventType, frame: Frame, wait: Wait, value: Any = None) -> None:
        """Take down an event that opens a wait and come back when it is durable."""
        self.note_step(type, frame, value, wait)
        await self.commit()

    def commit(self) -> Awaitable[None]:
        """Append what is noted; awaiting the answer comes back, in its turn, when it is durable."""
        settled = CommitFuture(loop=self._loop)
        if self._closed:
            return settled
        if self.relaxed:
            self.flush()
            self._session.releaser.deliver(settled)
        else:
            self._unsettled.append(settled)
            self._flush_soon()
        return self._turns if settled.done() else settled

    def _flush_soon(self) -> None:
        """Append in the loop's next pass if branches are about to run that may commit too, else now."""
        if self._flushing:
            return
        if self._session.releaser.busy:
            self._flushing = self._loop.call_soon(self._flush_now, context=self._neutral)
        else:
            self.flush()

    def _flush_now(self) -> None:
        self._flushing = None
        if self._unsettled and not self._closed:
            self.flush()

    def flush(self, *, release: bool = False) -> asyncio.Future[int]:
        """Append what is noted; the future is the journal's. With the release the last word is said."""
        noted, self._noted = self._noted, []
        unsettled, self._unsettled = self._unsettled, []
        self._in_flight += len(unsettled)
        if release:
            self.close()
        future = self._session.journal.append(noted, release=release)
        if future.done():
            self._appended(noted, unsettled, future)
        else:
            future.add_done_callback(partial(self._appended, noted, unsettled), context=self._neutral)
        return future

    def close(self) -> None:
        """Record nothing more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _appended(
        self, noted: Sequence[EventRecord], unsettled: Sequence[CommitFuture], future: asyncio.Future[int]
    ) -> None:
        session = self._session
        self._in_flight -= len(unsettled)
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            session.fail(error)
            return
        session.context._extend(noted, future.result())
        # What waits may have nothing else to wait for now.
        session.releaser.wake()
        if not self._closed:
            for settled in unsettled:
                session.releaser.deliver(settled)

    def _flush_late(self) -> None:
        self._timer = None
        if self._noted and not self._closed:
            self.flush()

    # -- waits and endings ---------------------------------------------------------------------------

    def note_paused(self, waits: Sequence[Wait]) -> None:
        """Take down that the execution waits for a person."""
        first = waits[0]
        session = self._session
        payload = _pause_payload(first.name, first.output)
        self.note(_T.WORKFLOW_PAUSED, session.workflow_source, session.workflow.name, payload)

    def note_moved(self, former: str, digest: str) -> None:
        """Take down that the execution goes on with other code."""
        session = self._session
        value = from_plain({"from": former, "to": digest})
        self.note(_T.WORKFLOW_MOVED, session.workflow_source, session.workflow.name, value)

    def discard(self) -> None:
        """Forget what is noted and not appended."""
        self._noted.clear()

    def note_divergence(self, error: NonDeterminismError) -> None:
        """Take down that replay has diverged: the execution parks until somebody decides."""
        session = self._session
        payload = session.codec.encode(error)
        wait = Wait(f"divergence_{session.execution_id}", "divergence", WaitKind.DIVERGENCE, output=payload)
        self.note(_T.WORKFLOW_PAUSED, wait.id, session.workflow.name, payload, wait=wait)

    def encode_ending(self, ending: Ending) -> tuple[Payload | None, ExecutionError | None]:
        """Payload of the last event; or of the error that its value cannot be stored, and that error."""
        if ending.type is _T.WORKFLOW_CANCELLED:
            return None, None
        if ending.type is _T.WORKFLOW_FAILED:
            return self.encode_error(ending.value), None
        try:
            return self._session.codec.encode(ending.value), None
        except Exception as error:
            failure = ExecutionError(error)
            return self.encode_error(failure), failure

    # -- values --------------------------------------------------------------------------------------

    def decode(self, payload: Payload | None) -> Any:
        """The value of a payload."""
        return None if payload is None else self._session.codec.decode(payload)

    def decode_error(self, payload: Payload | None) -> BaseException:
        """The exception of a payload; whatever else it holds becomes the message of one."""
        value = self.decode(payload)
        return value if isinstance(value, BaseException) else ExecutionError(None, str(value))

    def encode_arguments(self, call: Call) -> Payload:
        """The arguments as the event's value; what cannot be stored is shown by its type."""
        try:
            return self._session.codec.encode(dict(call.arguments), lent=True)
        except CodecError:
            return self._session.codec.encode({name: _shown(value) for name, value in call.arguments.items()})

    def _check_arguments(self, call: Call) -> None:
        """They are recorded for people only; but who allows nothing but JSON means them too."""
        if self._session.codec.json_only:
            self._encode_value(dict(call.arguments), lent=True)

    def encode_error(self, error: BaseException) -> Payload:
        """An exception as a payload; one that cannot be stored keeps its message."""
        try:
            return self._session.codec.encode(error)
        except CodecError:
            return self._session.codec.encode(ExecutionError(None, str(error)))

    def encode_step(self, value: Any) -> Payload:
        """A value that is recorded for people beside the outcome; what cannot be stored is shown by its type."""
        try:
            return self._session.codec.encode(value)
        except CodecError:
            return self._session.codec.encode(_shown(value))

    def _encode_value(self, value: Any, *, lent: bool = False) -> Payload:
        try:
            return self._session.codec.encode(value, lent=lent)
        except Exception as error:
            raise ExecutionError(error) from error


def _pause_payload(name: str, output: Payload | None) -> Payload:
    """`{"name", "output"}` around a value that stays encoded: only who asked for it should open it."""
    if output is None:
        data = b"null"
    elif output.encoding == "json":
        data = output.data
    else:
        data = json.dumps(to_plain(output)).encode()
    return Payload(b'{"name":%s,"output":%s}' % (json.dumps(name).encode(), data))


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return f"<{type(value).__name__}>"
