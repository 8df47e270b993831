"""One execution in a test."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from flux.codec.exceptions import traceback_of
from flux.domain import ExecutionState
from flux.engine.context import ExecutionContext
from flux.engine.workflow import Workflow
from flux.errors import UsageError
from flux.testing.bench import Act, Bench
from flux.testing.bridge import Bridge
from flux.testing.events import Events
from flux.testing.points import Point
from flux.testing.standing import Standing


class Run:
    """An execution, as far as it has come; made by `FluxEnv.run`.

    Its methods carry it on and return it. In an async test they are awaited, as in
    `await run.answer("yes")`; elsewhere they return when it has ended, waits for a person or has crashed.

    Attributes:
        workflow: what it executes.
        execution_id: its id.
    """

    def __init__(self, bench: Bench, bridge: Bridge, workflow: Workflow[Any, Any], execution_id: str) -> None:
        self.workflow = workflow
        self.execution_id = execution_id
        self._bench = bench
        self._bridge = bridge
        self._pending: Coroutine[Any, Any, None] | None = None

    # -- where it stands --------------------------------------------------------------------------

    @property
    def has_begun(self) -> bool:
        """Its first step has been made."""
        return self._pending is None and self.execution_id in self._bench.standings.known

    @property
    def context(self) -> ExecutionContext[Any]:
        """What `wf.run()` would have returned."""
        return self._current.context

    @property
    def state(self) -> ExecutionState:
        """Where it stands."""
        return self.context.state

    @property
    def output(self) -> Any:
        """The result; of a failed run its error, of a paused one what the pause shows."""
        return self.context.output

    def result(self) -> Any:
        """The result of a run that has completed; the error of one that has failed is raised.

        Raises `AssertionError` when it has done neither.
        """
        __tracebackhide__ = True
        if self.has_failed and isinstance(self.output, BaseException):
            raise _located(self.output)
        if not self.has_succeeded:
            raise AssertionError(f"{self!r} has no result:\n{self.events}")
        return self.output

    @property
    def events(self) -> Events:
        """All that has happened to it."""
        return Events(self.context.events)

    @property
    def waiting_for(self) -> list[str]:
        """Names of its open pauses, oldest first."""
        return [wait.name for wait in self._current.waits]

    @property
    def children(self) -> list[Run]:
        """The executions that it has started with `call`, in order."""
        workflows = self._bench.standings.workflows
        return [Run(self._bench, self._bridge, workflows[one], one) for one in self._current.children]

    @property
    def family(self) -> list[Run]:
        """It, its children and theirs."""
        return [self, *(one for child in self.children for one in child.family)]

    @property
    def elapsed(self) -> timedelta:
        """Time between its first event and its last one."""
        events = self.events
        return events[-1].time - events[0].time if events else timedelta()

    @property
    def has_succeeded(self) -> bool:
        """Completed."""
        return self.context.has_succeeded

    @property
    def has_failed(self) -> bool:
        """Failed."""
        return self.context.has_failed

    @property
    def has_crashed(self) -> bool:
        """Its process is gone (`crash_at`), and nobody has taken it up."""
        return self._current.crashed

    @property
    def is_paused(self) -> bool:
        """Waits for a person."""
        return self.context.is_paused

    @property
    def is_cancelled(self) -> bool:
        """Cancelled."""
        return self.context.is_cancelled

    # -- carrying it on -----------------------------------------------------------------------------

    def answer(
        self,
        value: Any,
        wait: str | None = None,
        *,
        crash_at: Point | None = None,
        cancel_at: Point | None = None,
    ) -> Self:
        """Answer a pause and go on.

        Args:
            wait: name of the pause, when several are open.

        Raises `InvalidInputError` when the answer does not fit, `NotPausedError`, `WaitAmbiguousError`.
        """
        return self._step(lambda host: host.answer(self.workflow, self.execution_id, value, wait), crash_at, cancel_at)

    def advance(self, duration: timedelta) -> Self:
        """Let time pass while it waits for a person: timers and timeouts that come due meanwhile take effect.

        The clock is that of the environment, so its other runs that wait go on too.
        """
        return self._step(lambda _: self._bench.let_pass(duration))

    def proceed(
        self,
        workflow: Workflow[Any, Any] | None = None,
        *,
        crash_at: Point | None = None,
        cancel_at: Point | None = None,
    ) -> Self:
        """Go on from the stored history after a crash, as a new process would.

        Args:
            workflow: other code for the rest of it, as if a new version had been deployed.

        Raises `NonDeterminismError` when the code does not fit the history.
        """
        self.workflow = workflow or self.workflow
        return self._step(lambda _: self._bench.go_on(self.execution_id), crash_at, cancel_at)

    def cancel(self) -> Self:
        """Cancel it where it waits.

        Raises `ExecutionFinishedError` when it has completed or failed.
        """
        return self._step(lambda host: host.cancel(self.workflow, self.execution_id))

    def replay(self, workflow: Workflow[Any, Any] | None = None) -> Self:
        """Replay its history against its code, or against other code; no task runs and nothing is recorded.

        Raises `NonDeterminismError` when the code does anything else than the history says, as code does that
        decides from a clock, from chance or from the environment.
        """
        return self._look(lambda _: self._bench.replay(self.execution_id, workflow or self.workflow))

    def save(self, path: str | Path) -> None:
        """Write its history to a file, for `FluxEnv.replay` to read."""
        Path(path).write_text(self._current.history.text(), encoding="utf-8")

    def _step(self, act: Act, crash_at: Point | None = None, cancel_at: Point | None = None) -> Self:
        return self._do(self._bench.step(self.execution_id, act, self._bench.traps.make(crash_at, cancel_at)))

    def _look(self, act: Act) -> Self:
        return self._do(self._bench.look(self.execution_id, act))

    def _do(self, work: Coroutine[Any, Any, None]) -> Self:
        if self._pending is not None:
            work.close()
            raise UsageError("A step of this run has not been awaited yet.", hint="Write `await` before it.")
        self._bench.standings.workflows[self.execution_id] = self.workflow
        if self._bridge.in_loop:
            self._pending = work
        else:
            self._bridge.run(work)
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        pending, self._pending = self._pending, None
        if pending is not None:
            yield from pending.__await__()
        return self

    @property
    def _current(self) -> Standing:
        if not self.has_begun:
            raise UsageError(
                f"This run of '{self.workflow.name}' has not been awaited.",
                hint="In an async test: `run = await flux_env.run(…)`, `await run.answer(…)`.",
            )
        return self._bench.standings.known[self.execution_id]

    def __repr__(self) -> str:
        if not self.has_begun:
            return f"<run of {self.workflow.name}, not begun>"
        told = f"<run of {self.workflow.name}: {self.state} after {len(self.events)} events"
        if self.has_crashed:
            told += ", crashed"
        if self.waiting_for:
            told += f", waits for {', '.join(self.waiting_for)}"
        return told + (f", {self.output}>" if self.has_failed else ">")


def _located(error: BaseException) -> BaseException:
    """An error with a note that says where it was raised, as it was recorded."""
    raised = error
    while isinstance(inner := getattr(raised, "inner_exception", None), BaseException):
        raised = inner
    where = traceback_of(raised)
    if where and where not in getattr(error, "__notes__", ()):
        error.add_note(where)
    return error
