"""Importing bundles to see what is in them, without keeping the process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from flux.domain import Bundle, LogLine
from flux.worker.frames import FromRunner, Loaded
from flux.worker.process import Limits, RunnerProcess

PATIENCE = 3.0
"""Seconds that the bundles behind a slow one wait before they go on in a process of their own."""


class _Nobody:
    """Nothing runs in a probe, so there is nothing to be told."""

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
    async with _process(cwd, limits) as runner:
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
    """
    answers: dict[int, Loaded] = {}

    def answer(index: int, loaded: Loaded) -> None:
        answers[index] = loaded
        on_loaded(bundles[index], loaded)

    rest = list(range(len(bundles)))
    async with asyncio.TaskGroup() as group:
        while rest:
            moving: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
            group.create_task(_in_one([(index, bundles[index]) for index in rest], cwd, limits, patience, answer, moving))
            rest = await moving
    return [answers[index] for index in range(len(bundles))]


async def _in_one(
    queue: Sequence[tuple[int, Bundle]],
    cwd: str,
    limits: Limits | None,
    patience: float,
    answer: Callable[[int, Loaded], None],
    moving: asyncio.Future[list[int]],
) -> None:
    """Import as many as one process can take; `moving` gets the indexes of those that need another one."""
    try:
        async with _process(cwd, limits) as runner:
            loads = [asyncio.ensure_future(runner.load(bundle, cwd, {})) for _, bundle in queue]
            try:
                ...
            finally:
                ...
    finally:
        ...
