"""What surrounds the body of a task: one function for each policy, chained in one line.

The order, innermost first: timeout → retry → fallback → rollback → cache. Each attempt is recorded, so a
resumed execution re-enters in the middle of the retries, with the remaining delay.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from flux.clock import MICROSECOND
from flux.domain import EventRecord, ExecutionEventType
from flux.engine.caching import with_cache
from flux.engine.calls import Call
from flux.engine.endings import no_exit
from flux.engine.frame import Frame, current_frame, entered
from flux.engine.handlers import arguments_for
from flux.engine.injection import INJECTED, for_body, for_handler
from flux.engine.keeping import perform_kept
from flux.engine.retrying import with_retries
from flux.engine.task import Task
from flux.errors import ExecutionError, ExecutionTimeoutError, RetryError

if TYPE_CHECKING:
    from flux.engine.session import Session

__all__ = ["Attempted", "Substitute", "perform_kept", "roll_back", "with_policies"]

_T = ExecutionEventType

Body = Callable[[], Awaitable[Any]]


class Substitute(Protocol):
    """Chooses what runs in place of users' functions, which it is handed: for tests."""

    def task(self, attempt: Attempted, body: Body) -> Body:
        """For one attempt of a task."""
        ...

    def workflow(self, session: Session, body: Body) -> Body:
        """For one activation of a workflow."""
        ...


@dataclass(slots=True)
class Attempted:
    """One call of a task on its way through the policies.

    Attributes:
        injected: keyword arguments that Flux adds and that need not be fetched (`metadata`).
        fell_back: whether the value is the fallback's.
    """

    session: Session
    task: Task[Any, Any]
    call: Call
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    injected: Mapping[str, Any]
    fell_back: bool = False

    async def invoke(self) -> Any:
        """Call the task's function."""
        kwargs = {**self.kwargs, **await for_body(self)}
        if self.task.is_async:
            return await self.task.func(*self.args, **kwargs)
        return await self._call(self.task.func, self.args, kwargs)

    async def invoke_handler(self, handler: Callable[..., Any]) -> Any:
        """Call a fallback or rollback, with what it takes of the task's arguments."""
        given = await for_handler(self, handler)
        args, kwargs = arguments_for(handler, (self.args, self.kwargs), self.call.arguments, INJECTED)
        with no_exit(getattr(handler, "__name__", "the handler")):
            return await self._call(handler, args, {**kwargs, **given})

    async def _call(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Async on the loop, sync in a thread."""
        if isinstance(func, Task) or inspect.iscoroutinefunction(func):
            return await func(*args, **kwargs)
        result = await self.session.outside_loop(lambda: func(*args, **kwargs))
        return await result if inspect.isawaitable(result) else result


def carry_out(attempt: Attempted) -> Awaitable[Any]:
    """Run a task's body as its policies say."""
    return with_policies(attempt)()


def with_policies(attempt: Attempted) -> Body:
    """The task's body inside all its policies."""
    once = with_timeout(attempt, _body(attempt))
    return with_cache(attempt, with_rollback(attempt, with_fallback(attempt, with_retries(attempt, once))))


def _body(attempt: Attempted) -> Body:
    substitute = attempt.session.substitute
    run = attempt.invoke if substitute is None else substitute.task(attempt, attempt.invoke)

    async def body() -> Any:
        try:
            with no_exit("the task"):
                return await run()
        except asyncio.CancelledError as error:
            if attempt.session.cancellation.struck or _was_cancelled():
                raise
            raise ExecutionError(error, "The task raised CancelledError although nobody cancelled it.") from error

    return body


def _was_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def with_timeout(attempt: Attempted, body: Body) -> Body:
    """End the wait for an attempt after `timeout` seconds."""
    seconds = attempt.task.options.timeout or attempt.session.surroundings.default_timeout
    if not seconds:
        return body

    async def limited() -> Any:
        clock = attempt.session.clock
        deadline = clock.timeout(seconds)
        try:
            with attempt.session.ending_by(clock.now() + int(seconds * MICROSECOND)):
                async with deadline:
                    return await body()
        except TimeoutError as error:
            if deadline.expired():
                raise ExecutionTimeoutError("Task", attempt.call.name, attempt.call.id, seconds) from error
            raise

    return limited


def with_fallback(attempt: Attempted, body: Body) -> Body:
    """Use the fallback's value when the body fails for good; a fallback that has begun goes on behind a crash."""
    fallback = attempt.task.options.fallback
    if fallback is None:
        return body

    async def guarded() -> Any:
        recorder, call = attempt.session.recorder, attempt.call
        if _recorded(attempt, _T.TASK_FALLBACK_STARTED) is None:
            try:
                return await body()
            except Exception:
                recorder.note_call(_T.TASK_FALLBACK_STARTED, call, recorder.encode_arguments(call))
        try:
            with entered(current_frame().within("fallback")):
                value = await attempt.invoke_handler(fallback)
        except Exception as error:
            recorder.note_call(_T.TASK_FALLBACK_FAILED, call, recorder.encode_error(error))
            raise
        attempt.fell_back = True
        recorder.note_call(_T.TASK_FALLBACK_COMPLETED, call, recorder.encode_step(value))
        return value

    return guarded


def with_rollback(attempt: Attempted, body: Body) -> Body:
    """Undo after a failure or a requested cancellation; the original error goes on.

    What it undoes must not be done again: behind a crash the recorded failure stands for the body. A rollback that
    the cancellation cuts short begins once more.
    """

    async def undone() -> Any:
        try:
            return await _unless_given_up(attempt, body)
        except Exception as error:
            await roll_back(attempt)
            raise _wrapped(error) from error

    async def guarded() -> Any:
        try:
            return await undone()
        except asyncio.CancelledError:
            if attempt.session.cancellation.struck and not attempt.session.dropped:
                attempt.session.recorder.note_cancelled(attempt.call)
                await roll_back(attempt)
            raise

    return guarded


async def _unless_given_up(attempt: Attempted, body: Body) -> Any:
    """Run the body, or raise what an earlier activation has given up with: recorded where a rollback follows."""
    recorder = attempt.session.recorder
    given_up = _recorded(attempt, _T.TASK_GIVEN_UP)
    if given_up is not None:
        raise recorder.decode_error(given_up.payload)
    try:
        return await body()
    except Exception as error:
        if attempt.task.options.rollback is not None:
            recorder.note_call(_T.TASK_GIVEN_UP, attempt.call, recorder.encode_error(error))
        raise


def _recorded(attempt: Attempted, type: ExecutionEventType) -> EventRecord | None:
    """The step of that type which an earlier activation has recorded."""
    recorded = attempt.session.history.calls.get(attempt.call.id)
    return recorded.last(type) if recorded else None


def rollback_frame(attempt: Attempted) -> Frame:
    """Where a rollback runs; also that of a call which is cancelled before its body has begun again."""
    call = attempt.call
    return Frame(attempt.session, call.id, call.id, call.name, call.parent, call.location).within("rollback")


async def roll_back(attempt: Attempted) -> None:
    """Undo a call, if its task says how."""
    rollback, recorder, call = attempt.task.options.rollback, attempt.session.recorder, attempt.call
    if rollback is None:
        return
    recorder.note_call(_T.TASK_ROLLBACK_STARTED, call, recorder.encode_arguments(call))
    try:
        with entered(rollback_frame(attempt)):
            value = await attempt.invoke_handler(rollback)
    except Exception as error:
        recorder.note_call(_T.TASK_ROLLBACK_FAILED, call, recorder.encode_error(error))
    else:
        recorder.note_call(_T.TASK_ROLLBACK_COMPLETED, call, recorder.encode_step(value))


def _wrapped(error: Exception) -> ExecutionError:
    """What the workflow's body sees of a failure."""
    if isinstance(error, ExecutionError) and not isinstance(error, RetryError):
        return error
    return ExecutionError(error)
