"""Where the executions of an environment stand, read from its store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flux.codec import Codec
from flux.domain import Execution, ExecutionState, PendingWait, WaitKind
from flux.domain.saved import SavedHistory
from flux.engine.context import ExecutionContext
from flux.engine.types import coerce_input
from flux.engine.workflow import Workflow, defined
from flux.errors import InvalidInputError, WorkflowNotFoundError
from flux.store import Store


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one execution stands after a step.

    Attributes:
        waits: its open pauses, and those of its children.
        crashed: its process is gone, and nobody has taken it up.
    """

    context: ExecutionContext[Any]
    history: SavedHistory
    waits: tuple[PendingWait, ...] = ()
    crashed: bool = False

    @property
    def children(self) -> list[str]:
        """Ids of the executions that it has started, in order."""
        started = (event.wait.child.id for event in self.history.events if event.wait and event.wait.child)
        return list(dict.fromkeys(started))


class Standings:
    """The standing of each execution, by its id, and the code that it runs.

    Args:
        store: where they are kept.
        find: code for a name, before that of this process is looked through.
    """

    def __init__(
        self, store: Callable[[], Store], codec: Codec, find: Callable[[Execution], Workflow[Any, Any] | None]
    ) -> None:
        self._store = store
        self._codec = codec
        self._find = find
        self.workflows: dict[str, Workflow[Any, Any]] = {}
        self.known: dict[str, Standing] = {}

    async def note(self, execution_id: str, crashed: bool = False) -> None:
        """Keep where an execution stands now, and its children."""
        history = await self.history(execution_id)
        waits = () if history.execution.state.is_terminal else tuple(await self.pauses(execution_id))
        standing = Standing(self._context(history, waits), history, waits, crashed)
        self.known[execution_id] = standing
        for child in standing.children:
            await self.note(child)

    async def history(self, execution_id: str) -> SavedHistory:
        """An execution with all its events."""
        execution = await self._store().executions.get(execution_id)
        return SavedHistory(execution, tuple(await self._store().executions.history(execution_id)))

    async def pauses(self, execution_id: str) -> list[PendingWait]:
        """The open pauses of an execution and its children, oldest first."""
        pending = await self._store().waits.pending(execution_id)
        waits = [wait for wait in pending if wait.kind is WaitKind.INPUT and not wait.answered]
        if len(waits) > 1:  # where the clock stands still, many are of one moment
            events = (await self.history(execution_id)).events
            places = {event.source_id: place for place, event in enumerate(events)}
            waits.sort(key=lambda wait: places.get(wait.id, len(places)))
        return waits

    async def root(self, execution: Execution) -> str:
        """Id of the execution that has started this one, or the one before it, and so on."""
        while execution.parent_id:
            execution = await self._store().executions.get(execution.parent_id)
        return execution.id

    async def is_at_rest(self, execution_id: str) -> bool:
        """Whether an execution and its children all wait for a person."""
        execution = await self._store().executions.get(execution_id)
        children = await self._store().executions.live_children(execution_id)
        return all(one.state is ExecutionState.PAUSED for one in (execution, *children))

    def workflow_of(self, execution: Execution) -> Workflow[Any, Any]:
        """The code of an execution. Raises `WorkflowNotFoundError`."""
        found = self.workflows.get(execution.id) or self._find(execution) or defined(execution.ref)
        if found is None:
            raise WorkflowNotFoundError(str(execution.ref))
        self.workflows[execution.id] = found
        return found

    def _context(self, history: SavedHistory, waits: tuple[PendingWait, ...]) -> ExecutionContext[Any]:
        """As `wf.run()` gives it: the input built to its type, of a pause what it shows."""
        context: ExecutionContext[Any] = ExecutionContext(history.execution, self._codec, list(history.events))
        with suppress(InvalidInputError):  # of a history that other code has made
            context._set_input(coerce_input(self.workflow_of(history.execution), context.input))
        if waits and context.is_paused:
            context._show(waits[0].output)
        return context
