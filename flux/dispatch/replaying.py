"""Which executions would leave their history with other code? A worker finds out; the server only asks."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from flux.dispatch.port import HistoryPage, ReplayRequested, ReplayResult
from flux.dispatch.validation import Questions
from flux.domain import Bundle, Execution, ExecutionState, WorkflowRef
from flux.domain.events import TERMINAL_STATES
from flux.domain.verdict import Outcome, Verdict
from flux.errors import RunnerNotAvailableError
from flux.store import ExecutionFilter, Store

LIVE = frozenset(ExecutionState) - TERMINAL_STATES
"""States in which an execution may still replay."""

AT_ONCE = 10
"""Executions in one question to a worker."""

ASKED = 2
"""Questions that are open at once."""

DEADLINE = 300.0
"""Seconds a worker has for one question."""

PAGE_EVENTS = 500
PAGE_BYTES = 4 << 20
"""Limits of one page of a history; it has one event at least."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Executions with what came of their replay, newest first; `next_cursor` asks for older ones."""

    found: tuple[tuple[Execution, Verdict], ...]
    next_cursor: str | None = None


class Replays:
    """Has workers replay stored histories against given code.

    Example:
        checked = await replays.check(WorkflowRef("shop", "order"), bundle, limit=100)
    """

    def __init__(self, store: Store, questions: Questions) -> None:
        self._store = store
        self._questions = questions

    async def check(
        self,
        ref: WorkflowRef,
        bundle: Bundle,
        *,
        states: Collection[ExecutionState] = LIVE,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Checked:
        """What the bundle's code would do with the executions of a workflow.

        Raises `RunnerNotAvailableError` when no worker is there to find out.
        """
        wanted = ExecutionFilter(tuple(states), workflow=ref.name, namespace=ref.namespace)
        page = await self._store.executions.list(wanted, limit, cursor)
        turns = asyncio.Semaphore(ASKED)
        batches = [page.items[start : start + AT_ONCE] for start in range(0, len(page.items), AT_ONCE)]
        answers = await asyncio.gather(*(self._ask(turns, bundle, batch) for batch in batches))
        verdicts = [verdict for answer in answers for verdict in answer]
        return Checked(tuple(zip(page.items, verdicts, strict=True)), page.next_cursor)

    async def _ask(self, turns: asyncio.Semaphore, bundle: Bundle, batch: Sequence[Execution]) -> Sequence[Verdict]:
        async with turns:
            if not self._questions.askable:
                raise RunnerNotAvailableError("No worker is online that could replay histories.")
            ids = tuple(one.id for one in batch)
            answer = await self._questions.ask(bundle.digest, DEADLINE, lambda id: ReplayRequested(id, bundle, ids))
        if isinstance(answer, ReplayResult) and len(answer.verdicts) == len(batch):
            return answer.verdicts
        return [Verdict(Outcome.UNDECIDED, "no worker has answered in time")] * len(batch)


async def history_page(store: Store, execution_id: str, after: int) -> HistoryPage:
    """The next events of an execution beyond `after`, as many as fit into one message.

    Raises `ExecutionContextNotFoundError`.
    """
    execution = await store.executions.get(execution_id)
    events = await store.executions.history(execution_id, after=after, limit=PAGE_EVENTS)
    taken, size = 0, 0
    for event in events:
        size += len(event.payload.data) if event.payload else 0
        if taken and size > PAGE_BYTES:
            break
        taken += 1
    return HistoryPage(execution, tuple(events[:taken]))
