"""Replaying stored histories against a bundle, in processes that nothing else runs in."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from flux.dispatch.port import WorkerPort
from flux.domain import Bundle
from flux.domain.saved import SavedHistory
from flux.domain.verdict import Outcome, Verdict
from flux.errors import FluxError
from flux.worker.frames import Loaded, Replay
from flux.worker.probe import throwaway
from flux.worker.process import Limits, RunnerProcess

PATIENCE = 15.0
"""Seconds that the code of one execution may await what is not Flux's; longer than it takes to call it divergence."""

PART = 500
"""Events that go to the runner in one frame."""

Fetch = Callable[[str], Awaitable[SavedHistory]]


async def replay_all(
    bundle: Bundle,
    execution_ids: Sequence[str],
    fetch: Fetch,
    *,
    cwd: str = "",
    settings: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    patience: float = PATIENCE,
) -> list[Verdict]:
    """What the code of a bundle would do with the histories of executions; the verdicts are in their order.

    They are replayed one after the other in a throwaway process. What one of them does to it hurts no
    other: after a crash, or when the code blocks, the rest goes on in a new one.

    Args:
        fetch: gives the history of an execution.
        settings: as for runners (serializer and signing key).
        patience: seconds that each may await what is not Flux's.

    Example:
        >>> await replay_all(collect_file(Path("order.py")), ["e1"], fetch)  # doctest: +SKIP
        [Verdict(outcome=<Outcome.WAITS: 'waits'>, detail="waits at input 'approval'", …)]
    """
    series = _Series(deque(execution_ids), fetch, patience)
    try:
        while series.waiting:
            async with throwaway(cwd, limits) as runner:
                loaded = await runner.load(bundle, cwd, settings or {})
                if loaded.error:
                    series.give_up(_unloadable(loaded))
                else:
                    await series.go_on(runner)
    except OSError as error:
        series.give_up(Verdict(Outcome.UNDECIDED, f"no process could be started: {error}"))
    return series.verdicts


async def fetch_history(port: WorkerPort, worker: str, execution_id: str) -> SavedHistory:
    """The history of an execution as the server has it, fetched page by page.

    What is appended meanwhile is left out: the execution and its events are of one moment.
    """
    page = await port.history(worker, execution_id)
    execution, events = page.execution, list(page.events)
    while page.events and events[-1].seq < execution.last_seq:
        page = await port.history(worker, execution_id, events[-1].seq)
        events += page.events
    return SavedHistory(execution, tuple(event for event in events if event.seq <= execution.last_seq))


class _Series:
    """Executions on their way through as few processes as possible."""

    def __init__(self, waiting: deque[str], fetch: Fetch, patience: float) -> None:
        self.waiting = waiting
        self.verdicts: list[Verdict] = []
        self._fetch = fetch
        self._patience = patience

    def give_up(self, verdict: Verdict) -> None:
        """The same verdict for all that are left."""
        self.verdicts += [verdict] * len(self.waiting)
        self.waiting.clear()

    async def go_on(self, runner: RunnerProcess) -> None:
        """Replay as many as the process lives for."""
        while self.waiting and runner.alive:
            execution_id = self.waiting.popleft()
            try:
                history = await self._fetch(execution_id)
            except FluxError as error:
                self.verdicts.append(Verdict(Outcome.UNDECIDED, f"the history cannot be had: {error}"))
            else:
                self.verdicts.append(await self._verdict(runner, history))

    async def _verdict(self, runner: RunnerProcess, history: SavedHistory) -> Verdict:
        verdict = await runner.replay(list(_parts(history, self._patience)))
        if verdict is not None:
            return verdict
        reason = (await runner.ended).splitlines()[0]
        return Verdict(Outcome.UNDECIDED, f"the process that replayed it {reason}")


def _parts(history: SavedHistory, patience: float) -> Iterator[Replay]:
    execution, events = history.execution, history.events
    for start in range(0, max(len(events), 1), PART):
        last = start + PART >= len(events)
        yield Replay(execution.id, execution, events[start : start + PART], last, patience)


def _unloadable(loaded: Loaded) -> Verdict:
    place = f"{loaded.path}:{loaded.line}" if loaded.line else loaded.path
    return Verdict(Outcome.UNLOADABLE, f"the code cannot be imported: {loaded.error}", place)
