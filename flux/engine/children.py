"""How a child execution is started and waited for, and what its end means to the code that called it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from flux.codec import Payload
from flux.domain import Child, EventRecord, ExecutionEventType, Inquiry, InquiryKind, Wait, WaitKind, WorkflowRef
from flux.engine.frame import Frame
from flux.errors import ExecutionCancelledError, ExecutionError, ExecutionTimeoutError, FluxError

if TYPE_CHECKING:
    from flux.engine.session import Session
    from flux.engine.workflow import Workflow

_T = ExecutionEventType


@dataclass(frozen=True, slots=True)
class ChildCall:
    """What `call` asks for.

    Attributes:
        workflow: the workflow itself where the caller has it.
        detached: do not wait for the end: the outcome is the child's execution id.
        timeout: seconds after which nobody waits any more; None for no limit.
    """

    ref: WorkflowRef
    workflow: Workflow[Any, Any] | None
    input: Any
    detached: bool = False
    timeout: float | None = None


async def outcome_of(frame: Frame, asked: ChildCall) -> Any:
    """Start the child, unless an earlier activation has done so, and return or raise what it ends with.

    Raises `ExecutionError` with what went wrong inside: the child's error, an input that does not fit, a workflow
    that nobody knows; `ExecutionTimeoutError` when the time is up, which cancels the child.
    """
    wait = await _open(frame, asked)
    assert wait.child is not None
    event = await _end_of(frame.session, wait)
    if event is None:
        raise ExecutionTimeoutError("Child", str(asked.ref), wait.child.id, asked.timeout or 0)
    if event.type in (_T.TASK_CHILD_COMPLETED, _T.TASK_CHILD_STARTED):
        return frame.session.recorder.decode(event.payload)
    raise _failure(frame.session, wait.child, event)


async def _open(frame: Frame, asked: ChildCall) -> Wait:
    """Record the wait that starts the child, or take the one that an earlier activation has recorded."""
    session = frame.session
    recorded = session.history.calls.get(frame.call_id)
    opened = recorded.last(_T.TASK_WAITING) if recorded else None
    if opened is not None and opened.wait is not None:
        return opened.wait
    try:
        payload = session.codec.encode(asked.input)
        digest = await _check(session, asked, payload)
    except FluxError as error:
        raise ExecutionError(error) from error
    child = Child(_child_id(session, frame.call_id), asked.ref, digest, asked.detached)
    wake_at = None if asked.timeout is None else session.clock.now() + int(asked.timeout * 1e6)
    wait = Wait(frame.call_id, frame.name, WaitKind.CHILD, wake_at, child=child)
    session.recorder.note(_T.TASK_WAITING, frame.call_id, frame.name, payload, parent=frame.parent, wait=wait)
    await session.recorder.commit()
    return wait


async def _check(session: Session, asked: ChildCall, payload: Payload) -> str:
    """The digest of the child's code where this process has it, else "".

    Raises `WorkflowNotFoundError`, or `InvalidInputError` for an input that does not fit.
    """
    if session.adopt is not None:
        return session.adopt(asked.ref, asked.workflow, asked.input)
    # Who checks it has to see all of it, and keeps nothing.
    answer = await session.ask(Inquiry(InquiryKind.CHILD, (str(asked.ref),), session.codec.unsealed(payload)))
    if (refusal := answer.get("refusal")) is not None:
        error = session.recorder.decode(refusal)
        raise error if isinstance(error, FluxError) else ExecutionError(None, str(error))
    return ""


async def _end_of(session: Session, wait: Wait) -> EventRecord | None:
    """What has become of the child; None when the time is up.

    Whoever cancels the execution cancels the child too, and the child ends first.
    """
    try:
        return await session.wait(wait)
    except asyncio.CancelledError:
        if session.cancellation.requested and not (session.dropped or session.waits.has_ended(wait.id)):
            await session.wait(wait)
        raise


def _child_id(session: Session, call_id: str) -> str:
    """The same in every replay; another one when the parent was reopened in between."""
    text = f"{session.execution_id}\x00{call_id}\x00{session.history.reopened}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _failure(session: Session, child: Child, event: EventRecord) -> ExecutionError:
    """The error of the call: around that of the child's code, as a task's is around that of its body."""
    named = f"The child execution '{child.id}' of {child.ref}"
    if event.type is _T.TASK_CHILD_CANCELLED:
        return ExecutionError(ExecutionCancelledError(f"{named} was cancelled."))
    error = session.recorder.decode(event.payload)
    if not isinstance(error, BaseException):
        return ExecutionError(None, f"{named} failed: {error}")
    inner = error.inner_exception if type(error) is ExecutionError and error.inner_exception is not None else error
    return ExecutionError(inner, f"{named} failed: {error}")
