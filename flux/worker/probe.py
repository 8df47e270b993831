"""Importing bundles to see what is in them, without keeping the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from flux.domain import Bundle, LogLine
from flux.worker.frames import FromRunner, Loaded
from flux.worker.process import Limits, RunnerProcess

PATIENCE = 3.0
"""Seconds that the bundles behind a slow one wait before they go on in a process of their own."""


class _Nobody:
    """Nothing runs in a throwaway process, so there is nothing to be told."""

    def on_frame(self, runner: RunnerProcess, frame: FromRunner) -> None:
        """What the file prints on import is not shown."""

    def on_output(self, lines: tuple[LogLine, ...]) -> None:
        """Nor is its raw output."""

    def on_exit(self, runner: RunnerProcess, reason: str) -> None:
        """`load` answers with the reason."""


async def probe(bundle: Bundle, cwd: str = "", *, limits: Limits | None = None) -> Loaded:
    """Import a bundle in a throwaway process.

    The answer carries the manifest, or `error` with traceback, path and line; a crash or a hang of the
    code is an error too. Values are neither signed nor stored here, so no key is handed over.

    Example:
        >>> loaded = await probe(collect_file(Path("flows.py")), "/srv/app")  # doctest: +SKIP
        >>> loaded.error or [str(spec.ref) for spec in loaded.manifest.workflows]  # doctest: +SKIP
        ['default/hello']
    """
    async with throwaway(cwd, limits) as runner:
        return await runner.load(bundle, cwd, {})


async def probe_all(
    bundles: Sequence[Bundle],
    cwd: str = "",
    *,
    on_loaded: Callable[[Bundle, Loaded], None] = lambda bundle, loaded: None,
    limits: Limits | None = None,
    patience: float = PATIENCE,
) -> list[Loaded]:
    """Import bundles one after the other in one throwaway process; the answers are in their order.

    What one of them does to the process hurts no other: after a crash the rest goes on in a new process,
    and so it does when one takes longer than `patience` seconds, while that one goes on in the old.

    Args:
        on_loaded: called with each answer as soon as it is there.

    Example:
        >>> await probe_all([collect_file(path) for path in paths], "/srv/app")  # doctest: +SKIP
        [Loaded(manifest=Manifest(workflows=(WorkflowSpec(…
    """
    answers: dict[int, Loaded] = {}

    def tell(index: int, loaded: Loaded) -> None:
        answers[index] = loaded
        on_loaded(bundles[index], loaded)

    async with asyncio.TaskGroup() as slow:
        series = _Series(cwd, limits, patience, tell, slow)
        rest: _Queue = list(enumerate(bundles))
        while rest:
            rest = await series.in_one_process(rest)
    return [answers[index] for index in range(len(bundles))]


_Queue = Sequence[tuple[int, Bundle]]


class _Series:
    """Bundles on their way through as few processes as possible."""

    def __init__(
        self,
        cwd: str,
        limits: Limits | None,
        patience: float,
        tell: Callable[[int, Loaded], None],
        slow: asyncio.TaskGroup,
    ) -> None:
        self._cwd = cwd
        self._limits = limits
        self._patience = patience
        self._tell = tell
        self._slow = slow

    async def in_one_process(self, queue: _Queue) -> _Queue:
        """Import as many as one process can take; those that need another one come back."""
        async with AsyncExitStack() as stack:
            runner = await stack.enter_async_context(throwaway(self._cwd, self._limits))
            loads = [asyncio.ensure_future(runner.load(bundle, self._cwd, {})) for _, bundle in queue]
            stack.callback(_cancel, loads)
            for position, (index, _) in enumerate(queue):
                load = loads[position]
                done, _ = await asyncio.wait((load,), timeout=self._patience)
                if not done:
                    self._slow.create_task(self._wait(index, load, stack.pop_all()))
                    return queue[position + 1 :]
                loaded = load.result()
                died = bool(loaded.error) and not runner.alive
                if died and position > 0:
                    # It may have died of what an earlier one left behind: only the first is to blame.
                    return queue[position:]
                self._tell(index, loaded)
                if died:
                    return queue[position + 1 :]
        return []

    async def _wait(self, index: int, load: asyncio.Future[Loaded], process: AsyncExitStack) -> None:
        async with process:
            self._tell(index, await load)


@asynccontextmanager
async def throwaway(cwd: str, limits: Limits | None) -> AsyncIterator[RunnerProcess]:
    """A blank runner whose output nobody sees; it is killed at the end of the block."""
    runner = await RunnerProcess.spawn(_Nobody(), cwd, limits or Limits())
    try:
        yield runner
    finally:
        await _end(runner)


async def _end(runner: RunnerProcess) -> None:
    """Kill it and see it gone; being cancelled meanwhile changes nothing about that."""
    runner.draining = True
    runner.kill()
    cancelled: asyncio.CancelledError | None = None
    while runner.alive:
        try:
            await asyncio.wait({runner.ended})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


def _cancel(loads: Sequence[asyncio.Future[Loaded]]) -> None:
    for load in loads:
        load.cancel()
