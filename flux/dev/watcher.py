"""Watches files and has every save checked, so that the next run uses it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path

from watchfiles import awatch

from flux.catalog.files import has_workflow
from flux.client.api import FluxApi
from flux.clock import MICROSECOND, Clock, SystemClock
from flux.dev.checking import Checker, Watched
from flux.dev.discovery import Scope, holds_workflows
from flux.dev.firstlook import FirstLook
from flux.wire.models import ReloadModel

DEBOUNCE_MS = 50
_STEP_MS = 20
_AT_ONCE = 4
_RECENT = 5 * MICROSECOND


class Watcher:
    """Publishes what the watched files hold, first all of them and then whatever is saved.

    A file is watched when it defines a workflow. A save of a local module that it imports counts as a
    save of the file. A broken file is reported, and its last good version keeps serving.

    Args:
        api: the server to publish to.
        scope: folders and files.
        base: folder that reported paths are relative to, and that files are imported in at the start;
            that is where `flux dev` was started.
        on_report: also gets every report.

    Attributes:
        checked: set once everything has been checked for the first time.

    Example:
        >>> watcher = Watcher(client, Scope.of([Path("flows")]))  # doctest: +SKIP
        >>> await watcher.run(server_is_up)  # doctest: +SKIP
    """

    def __init__(
        self,
        api: FluxApi,
        scope: Scope,
        *,
        base: Path | None = None,
        clock: Clock | None = None,
        on_report: Callable[[ReloadModel], None] = lambda report: None,
    ) -> None:
        self._scope = scope
        self._clock = clock or SystemClock()
        base = base or Path.cwd()
        self._first = FirstLook(str(base))
        self._checker = Checker(api, base=base, clock=self._clock, known=self._first.found, on_report=on_report)
        self._files: dict[Path, Watched] = {}
        self._tasks: dict[Path, asyncio.Task[None]] = {}
        self._again: set[Path] = set()
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._moved = asyncio.Event()
        self.checked = asyncio.Event()

    @property
    def files(self) -> list[Path]:
        """The watched files with workflows, sorted."""
        return sorted(self._files)

    async def run(self, up: asyncio.Event) -> None:
        """Check everything, then every save, until cancelled.

        Args:
            up: set once there is a server; what the files hold is found out meanwhile.
        """
        listening = asyncio.create_task(self._listen(), name="flux-dev-watch")
        try:
            await asyncio.sleep(0)  # the watch stands before the first look: no save falls between
            self._find()
            self._first.start(self._files)
            await up.wait()
            await self.check_all()
            self.checked.set()
            await listening
        finally:
            await _cancelled([listening, *self._tasks.values()])
            await self._first.close()

    async def check_all(self) -> None:
        """Look for files and check them all, changed or not; returns when all are checked."""
        self._find()
        await self._forget_missing()
        for watched in list(self._files.values()):
            self._schedule(watched)
        await self.settled()

    async def changed(self, paths: set[Path]) -> None:
        """Check the files that these saves and deletions touch; returns at once."""
        await self._forget_missing()
        saved = _saved_at(paths, self._clock.now())
        for path in paths:
            if path not in self._files and self._scope.covers(path) and self._is_entry(path):
                self._files[path] = Watched(path)
        for watched in list(self._files.values()):
            # A broken file may have waited for any of them: a module it could not find, say.
            if watched.path in paths or watched.files & paths or watched.is_broken:
                watched.asked_at = watched.asked_at or saved
                self._schedule(watched)

    async def server_is_back(self) -> None:
        """After a restart of the server: check what had to wait, report again what it has forgotten."""
        for watched in list(self._files.values()):
            if watched.postponed:
                self._schedule(watched)
            else:
                await self._checker.repeat(watched)

    async def settled(self) -> None:
        """Wait until nothing is being checked."""
        while running := [task for task in self._tasks.values() if not task.done()]:
            await asyncio.gather(*running, return_exceptions=True)

    def _find(self) -> None:
        for path in self._scope.files():
            if path not in self._files and self._is_entry(path):
                self._files[path] = Watched(path)

    def _schedule(self, watched: Watched) -> None:
        """Check a file soon; saves that arrive during a check lead to one more check after it."""
        task = self._tasks.get(watched.path)
        if task is not None and not task.done():
            self._again.add(watched.path)
            return
        self._tasks[watched.path] = asyncio.create_task(self._check(watched), name=f"check-{watched.path.name}")

    async def _check(self, watched: Watched) -> None:
        while True:
            self._again.discard(watched.path)
            before = watched.files
            async with self._gate:
                await self._checker.check(watched)
            if not self._covered(watched.files - before):
                self._moved.set()
            if watched.path not in self._again:
                return

    async def _forget_missing(self) -> None:
        for path in [path for path in self._files if not path.exists()]:
            await self._checker.forget(self._files.pop(path))

    def _is_entry(self, path: Path) -> bool:
        return path in self._scope.paths or holds_workflows(path, has_workflow)

    def _covered(self, files: frozenset[Path]) -> bool:
        roots = self._roots()
        return all(any(file.is_relative_to(root) for root in roots) for file in files)

    def _roots(self) -> set[Path]:
        return {path for path in self._scope.folders() if path.exists()}

    async def _listen(self) -> None:
        """Have every burst of saves checked; the folders watched follow what the files import."""
        while True:
            self._moved = asyncio.Event()
            imported = {file.parent for watched in self._files.values() for file in watched.files}
            folders = self._roots() | {folder for folder in imported if folder.exists()}
            async for changed in _bursts(sorted(folders), self._moved):
                await self.changed(changed)


async def _bursts(folders: Sequence[Path], stop: asyncio.Event) -> AsyncIterator[set[Path]]:
    """Sets of changed Python files below folders, until `stop` is set."""
    changes = awatch(
        *folders,
        watch_filter=lambda _, path: path.endswith(".py"),
        debounce=DEBOUNCE_MS,
        step=_STEP_MS,
        stop_event=stop,
        ignore_permission_denied=True,
    )
    async with contextlib.aclosing(changes):
        async for found in changes:
            yield _resolved(path for _, path in found)


def _saved_at(paths: Iterable[Path], now: int) -> int:
    """When the newest of these files was saved, if that was just now: what people wait for counts from there."""
    saved = max((path.stat().st_mtime_ns // 1000 for path in paths if path.exists()), default=0)
    return saved if 0 <= now - saved < _RECENT else now


def _resolved(paths: Iterable[str]) -> set[Path]:
    return {Path(path).resolve() for path in paths}


async def _cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
