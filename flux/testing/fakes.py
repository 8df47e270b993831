"""Stand-ins for tasks and workflows: what they give is told beforehand, what they are given is kept."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from flux.clock import Clock, to_datetime
from flux.domain import Execution, WorkflowRef
from flux.engine.injection import for_handler
from flux.engine.options import WorkflowOptions
from flux.engine.quiet import FluxFuture
from flux.engine.task import Task
from flux.engine.workflow import Workflow, defined
from flux.errors import WorkflowNotFoundError

if TYPE_CHECKING:
    from flux.engine.context import ExecutionContext
    from flux.engine.policies import Attempted, Body
    from flux.engine.session import Session

Target = Task[..., Any] | Workflow[Any, Any] | str


class _Special(Enum):
    HANG = "HANG"

    def __repr__(self) -> str:
        return self.name


HANG: Final = _Special.HANG
"""In place of a fake's outcome: it never ends by itself, so a timeout or a cancellation ends it."""


class Fake:
    """Stands in for a task or a child workflow; made by `FluxEnv.fake`.

    Attributes:
        target: the task or workflow, or its name.
        calls: of a task the arguments of every attempt, by the names of its parameters; of a workflow its inputs.
        times: when each of them began, by the clock of the environment.
    """

    def __init__(self, target: Target, outcomes: Sequence[Any], clock: Clock) -> None:
        self.target = target
        self.calls: list[Any] = []
        self.times: list[datetime] = []
        self._outcomes = tuple(outcomes) or (None,)
        self._clock = clock

    def stands_for_task(self, task: Task[..., Any], call_name: str) -> bool:
        """Whether a call is one of the task it replaces, with whatever options."""
        if isinstance(self.target, Task):
            return self.target.func is task.func
        return self.target in (task.name, call_name)

    def stands_for_workflow(self, ref: WorkflowRef) -> bool:
        """Whether it replaces the workflow of that name."""
        return self._ref == ref

    @property
    def unknown_workflow(self) -> WorkflowRef | None:
        """The name of a workflow that it replaces and that is defined nowhere in this process."""
        ref = self._ref
        names_one = isinstance(self.target, str) and "/" in self.target
        return ref if names_one and ref is not None and isinstance(defined(ref), Elsewhere | None) else None

    @property
    def _ref(self) -> WorkflowRef | None:
        if isinstance(self.target, Workflow):
            return self.target.ref
        return WorkflowRef.parse(self.target) if isinstance(self.target, str) else None

    async def play(self, given: Any, call: Callable[[Callable[..., Any]], Awaitable[Any]]) -> Any:
        """The outcome that is next; the last one stays.

        Args:
            given: what is kept of the call.
            call: calls an outcome that is a function.
        """
        outcome = self._outcomes[min(len(self.calls), len(self._outcomes) - 1)]
        self.calls.append(given)
        self.times.append(to_datetime(self._clock.now()))
        if outcome is HANG:
            return await hang()
        if isinstance(outcome, BaseException):
            raise outcome.with_traceback(None)
        if isinstance(outcome, type) and issubclass(outcome, BaseException):
            raise outcome
        return await call(outcome) if callable(outcome) else outcome

    def __repr__(self) -> str:
        name = self.target if isinstance(self.target, str) else self.target.name
        return f"<fake {name}: {len(self.calls)} calls>"


class Fakes:
    """The fakes of one environment; the newest that fits plays. See `flux.engine.policies.Substitute`.

    Attributes:
        workflows: stand in where a faked workflow is not even defined.
    """

    def __init__(self) -> None:
        self._fakes: list[Fake] = []
        self.workflows: list[Workflow[Any, Any]] = []

    def add(self, fake: Fake) -> None:
        """Have it play from now on."""
        self._fakes.insert(0, fake)
        if (ref := fake.unknown_workflow) is not None:
            self.workflows.append(Elsewhere(ref))

    def code_of(self, execution: Execution) -> Workflow[Any, Any] | None:
        """What stands in for the code of an execution that is defined elsewhere."""
        return next((workflow for workflow in self.workflows if workflow.ref == execution.ref), None)

    def task(self, attempt: Attempted, body: Body) -> Body:
        """What runs for a call of a task: a fake, or the task's own body."""
        for fake in self._fakes:
            if fake.stands_for_task(attempt.task, attempt.call.name):
                return lambda: fake.play(_arguments(attempt), lambda function: _called(function, attempt))
        return body

    def workflow(self, session: Session, body: Body) -> Body:
        """What runs for a workflow: a fake, or its own body."""
        given = session.context.input
        for fake in self._fakes:
            if fake.stands_for_workflow(session.workflow.ref):
                return lambda: fake.play(given, lambda function: _awaited(function(given)))
        return body


async def hang() -> Any:
    """Never come back; only Flux ends it, so the clock may move on meanwhile."""
    return await FluxFuture(loop=asyncio.get_running_loop())


def _arguments(attempt: Attempted) -> dict[str, Any]:
    """By name, without the object that a method is bound to."""
    bound = attempt.task.bound_names
    return {name: value for name, value in attempt.call.arguments.items() if name not in bound}


async def _called(function: Callable[..., Any], attempt: Attempted) -> Any:
    """With the task's arguments, and of what Flux adds to them that which the function names."""
    given = await for_handler(attempt, function) if _has_signature(function) else {}
    return await _awaited(function(*attempt.args, **attempt.kwargs, **given))


async def _awaited(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


def _has_signature(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function)
    except (TypeError, ValueError):
        return False
    return True


class Elsewhere(Workflow[Any, Any]):
    """Code for a name that this process does not define; a fake plays in its place."""

    def __init__(self, ref: WorkflowRef) -> None:
        async def elsewhere(ctx: ExecutionContext[Any]) -> None:
            raise WorkflowNotFoundError(str(ref))  # its environment, with the fake, is closed

        super().__init__(elsewhere, WorkflowOptions(name=ref.name, namespace=ref.namespace))
