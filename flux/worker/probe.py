"""Importing a bundle to see what is in it, without keeping the process."""

from __future__ import annotations

from flux.domain import Bundle, LogLine
from flux.worker.frames import FromRunner, Loaded
from flux.worker.process import Limits, RunnerProcess


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
    runner = await RunnerProcess.spawn(_Nobody(), cwd, limits or Limits())
    try:
        return await runner.load(bundle, cwd, {})
    finally:
        runner.draining = True
        runner.kill()
        await runner.ended
