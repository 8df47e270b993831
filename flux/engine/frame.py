"""Where in an execution the running code stands."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flux.errors import ExecutionError

if TYPE_CHECKING:
    from flux.engine.session import Session


@dataclass(slots=True)
class Frame:
    """The enclosing call of the code that runs now.

    Attributes:
        call_id: id of the enclosing task call, "" in the workflow's body.
        path: what the identity of calls made here starts with; the call id, and the number of the
            branch inside `parallel`, `map` and `Graph`.
        name: name of the enclosing task, or of the workflow.
        parent: id of the call around the enclosing one, or "".
        location: `file:line` of the enclosing call, or "".
    """

    session: Session
    call_id: str = ""
    path: str = ""
    name: str = ""
    parent: str = ""
    location: str = ""

    def within(self, label: str) -> Frame:
        """The frame of one attempt or handler of the enclosing call: a path of its own."""
        return Frame(self.session, self.call_id, f"{self.path}#{label}", self.name, self.parent, self.location)

    def branch(self, label: str, index: int) -> Frame:
        """The frame of one concurrent branch: same call, a path of its own."""
        return Frame(self.session, self.call_id, f"{self.path}/{label}.{index}", self.name, self.parent, self.location)


NO_CONTEXT = "No active execution: tasks run inside a workflow. Call the workflow with `.run(…)` instead."
CURRENT: ContextVar[Frame | None] = ContextVar("flux_frame", default=None)


class entered:
    """Let `frame` be the place of the code in the block."""

    __slots__ = ("_frame", "_token")

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def __enter__(self) -> None:
        self._token = CURRENT.set(self._frame)

    def __exit__(self, *_: object) -> None:
        try:
            CURRENT.reset(self._token)
        except ValueError:
            return  # a dropped body is closed in another context, where the token means nothing


def current_frame() -> Frame:
    """The place of the running code. Raises `ExecutionError` outside of executions."""
    frame = CURRENT.get()
    if frame is None:
        raise ExecutionError(None, NO_CONTEXT)
    return frame


def current_call() -> tuple[str, str] | None:
    """(execution id, task name) of the running code, or None outside of executions.

    The task name is "" in the workflow's body.
    """
    frame = CURRENT.get()
    if frame is None:
        return None
    return frame.session.execution_id, frame.name if frame.call_id else ""
