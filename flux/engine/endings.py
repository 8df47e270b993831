"""How the body of a workflow came to its end, as a value."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flux.domain import ExecutionEventType
from flux.errors import ExecutionError, ExecutionTimeoutError

if TYPE_CHECKING:
    from flux.engine.session import Session


@dataclass(frozen=True, slots=True)
class Ending:
    """The last event of an execution and its value."""

    type: ExecutionEventType
    value: Any


class no_exit:
    """Make failures of what would end the process: asyncio lets the two stop the whole loop.

    Raises `RuntimeError` for `SystemExit` and `KeyboardInterrupt`.

    Args:
        what: whose code runs in the block.
    """

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, SystemExit | KeyboardInterrupt):
            raise RuntimeError(f"{self._what} raised {type(error).__name__}({error})") from error


def ending_of(root: asyncio.Task[Any], session: Session) -> Ending:
    """What the finished task of the body means.

    The first commit wins: a body that returns after a cancel request has completed. A cancellation
    that nobody asked for is a failure.
    """
    if root.cancelled():
        return cancelled_ending(session)
    error = root.exception()
    if error is None:
        return Ending(ExecutionEventType.WORKFLOW_COMPLETED, root.result())
    return Ending(ExecutionEventType.WORKFLOW_FAILED, error)


def cancelled_ending(session: Session) -> Ending:
    """The end of a body that was cancelled: on request, by the workflow's timeout, or by its own code."""
    if session.cancellation.requested:
        return Ending(ExecutionEventType.WORKFLOW_CANCELLED, None)
    if session.cancellation.timed_out:
        timeout = session.workflow.options.timeout
        error = ExecutionTimeoutError("Workflow", session.workflow.name, session.execution_id, timeout)
        return Ending(ExecutionEventType.WORKFLOW_FAILED, error)
    message = "The workflow was cancelled by its own code (CancelledError), which counts as a failure."
    return Ending(ExecutionEventType.WORKFLOW_FAILED, ExecutionError(asyncio.CancelledError(), message))
