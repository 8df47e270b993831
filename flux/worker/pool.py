"""Runners by code version: who runs what, who is started, who leaves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from flux.clock import Clock, SystemClock
from flux.domain import Bundle, LogLine
from flux.domain.verdict import Verdict
from flux.errors import RunnerNotAvailableError
from flux.worker.frames import Beat, FromRunner, Loaded
from flux.worker.process import Limits, RunnerProcess
from flux.worker.replaying import Fetch, replay_all

logger = logging.getLogger("flux.worker")
_GROW_AT = 2
"""Executions in the least busy runner at which another one is started."""
_BUNDLES = 64
_IDLE_AT_MOST = 8


class LoadFailed(RunnerNotAvailableError):
    """The code of a version cannot be imported here."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        where = f"{loaded.path}:{loaded.line}: " if loaded.line else ""
        super().__init__(f"{where}{loaded.error}")


class PoolOwner(Protocol):
    """Who is told what the runners do."""

    def on_frame(self, runner: RunnerProcess, frame: FromRunner) -> None:
        """A frame about an execution."""
        ...

    def on_output(self, lines: tuple[LogLine, ...]) -> None:
        """Raw output."""
        ...

    def on_death(self, runner: RunnerProcess, reason: str) -> None:
        """A runner has ended with executions in it."""
        ...


@dataclass(eq=False, slots=True)
class _Version:
    """The runners of one digest.

    Attributes:
        path: of the entry file; a later version of the same file supersedes this one.
        starting: runners on their way.
    """

    digest: str
    path: str = ""
    runners: list[RunnerProcess] = field(default_factory=list)
    starting: set[asyncio.Task[RunnerProcess]] = field(default_factory=set)
    superseded: bool = False


class Pool:
    """Keeps warm runners for the versions in use and a blank one for the next.

    Args:
        fetch: the source of a digest.
        size: runners of one version at most; cores by default.
        settings: handed to each runner (serializer, signing key, home, default timeout).
    """

    def __init__(
        self,
        owner: PoolOwner,
        fetch: Callable[[str], Awaitable[Bundle]],
        *,
        size: int | None = None,
        cwd: str = "",
        settings: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._owner = owner
        self._fetch = fetch
        self._size = size or os.cpu_count() or 1
        self._cwd = cwd
        self._settings = dict(settings or {})
        self._limits = limits or Limits()
        self._clock = clock or SystemClock()
        self._versions: dict[str, _Version] = {}
        self._bundles: OrderedDict[str, Bundle] = OrderedDict()
        self._all: set[RunnerProcess] = set()
        self._spare: asyncio.Task[RunnerProcess] | None = None
        self._alone = asyncio.Semaphore(self._size)
        self._background: set[asyncio.Task[Any]] = set()
        self._watching: asyncio.TimerHandle | None = None
        self._sweeping: asyncio.TimerHandle | None = None
        self._closing = False

    @property
    def runners(self) -> tuple[RunnerProcess, ...]:
        """All live runners, the spare one too."""
        return tuple(self._all)

    # -- what the agent asks for ----------------------------------------------------------------

    def start(self) -> None:
        """Have a blank runner ready."""
        if self._spare is None and not self._closing:
            self._spare = asyncio.get_running_loop().create_task(self._spawn())

    async def runner_for(self, digest: str, *, alone: bool = False) -> RunnerProcess:
        """A loaded runner for one more execution, the least busy one of the version.

        Nothing else may be awaited between this and `RunnerProcess.start`.

        Args:
            alone: a runner of its own, which takes nothing else; waits while as many of those as the
                pool's size are in use.

        Raises:
            LoadFailed: the code cannot be imported.
        """
        if alone:
            return await self._runner_alone(digest)
        while not (ready := [runner for runner in self._version(digest).runners if runner.accepts]):
            await self._one_starts(self._version(digest))
        version = self._version(digest)
        best = min(ready, key=lambda runner: len(runner.executions))
        if len(best.executions) >= _GROW_AT and len(ready) + len(version.starting) < self._size:
            self._in_background(self._one_more(version))
        self._keep_watch()
        return best

    async def another_for(self, digest: str, busy: RunnerProcess) -> RunnerProcess:
        """A loaded runner of the version that is not the `busy` one, for a question that must not wait for it.

        It may be one more than the pool's size: it is started from the spare one when there is no other.
        """
        version = self._version(digest)
        others = [runner for runner in version.runners if runner.accepts and runner is not busy]
        if others:
            return min(others, key=lambda runner: len(runner.executions))
        return await self._one_starts(version)

    async def prewarm(self, digest: str) -> None:
        """Have a runner ready for a version that has just been published; earlier ones of its file may go."""
        bundle = await self._bundle(digest)
        version = self._version(digest)
        self._supersede(version, bundle.path)
        if not any(runner.accepts for runner in version.runners):
            await self._one_starts(version)

    async def probe(self, bundle: Bundle, cwd: str = "") -> Loaded:
        """Import a bundle in a fresh runner, which stays as the first one of that version when it works."""
        self._keep_bundle(bundle)
        runner = await self._blank()
        loaded = await runner.load(bundle, cwd or self._cwd, self._settings)
        self.start()
        version = self._version(bundle.digest)
        if loaded.error or self._closing or len(version.runners) >= self._size:
            self._retire(runner)
        else:
            version.path = version.path or bundle.path
            self._admit(version, runner)
        return loaded

    async def replay(self, bundle: Bundle, execution_ids: Sequence[str], fetch: Fetch, cwd: str = "") -> list[Verdict]:
        """What a bundle would do with the histories of executions, found in runners that run nothing else."""
        return await replay_all(
            bundle, execution_ids, fetch, cwd=cwd or self._cwd, settings=self._settings, limits=self._limits
        )

    def release(self, runner: RunnerProcess, execution_id: str, generation: int) -> None:
        """An execution, claimed as `generation`, has left its runner."""
        runner.forget(execution_id, generation)
        if runner.executions:
            return
        if runner.exclusive or runner.draining:
            self._retire(runner)
        else:
            self._keep_sweeping()

    async def settled(self) -> None:
        """Come back when no runner is on its way."""
        while starting := [task for task in self._starting() if not task.done()]:
            await asyncio.wait(starting)

    async def close(self) -> None:
        """End all runners at once."""
        self._closing = True
        for handle in (self._watching, self._sweeping):
            if handle is not None:
                handle.cancel()
        starting = self._starting()
        for task in [*starting, *self._background]:
            task.cancel()
        await asyncio.gather(*starting, *self._background, return_exceptions=True)
        for runner in self._all:
            runner.draining = True
            runner.kill()
        if self._all:
            await asyncio.wait({runner.ended for runner in self._all}, timeout=self._limits.grace)

    # -- what runners tell (`process.Owner`) ----------------------------------------------------

    def on_frame(self, runner: RunnerProcess, frame: FromRunner) -> None:
        """Route a frame; a runner with stuck threads is replaced."""
        if not isinstance(frame, Beat):
            self._owner.on_frame(runner, frame)
        elif frame.threads_stuck and not runner.draining:
            logger.warning("runner %d has %d stuck threads: replaced", runner.pid, frame.threads_stuck)
            self._replace(runner)

    def on_output(self, lines: tuple[LogLine, ...]) -> None:
        """Pass raw output on."""
        self._owner.on_output(lines)

    def on_exit(self, runner: RunnerProcess, reason: str) -> None:
        """Take a runner off the lists and tell who was in it."""
        self._all.discard(runner)
        if runner.exclusive:
            self._alone.release()
        version = self._versions.get(runner.digest)
        if version is not None and runner in version.runners:
            version.runners.remove(runner)
            self._forget_if_unused(version)
        if runner.executions:
            self._owner.on_death(runner, reason)
        elif not runner.draining and not self._closing:
            logger.warning("an idle runner (pid %d) %s", runner.pid, reason)

    # -- starting ------------------------------------------------------------------------------

    def _version(self, digest: str) -> _Version:
        return self._versions.setdefault(digest, _Version(digest))

    def _starting(self) -> list[asyncio.Task[RunnerProcess]]:
        loading = [task for version in self._versions.values() for task in version.starting]
        return loading if self._spare is None else [*loading, self._spare]

    async def _one_starts(self, version: _Version) -> RunnerProcess:
        """The first runner of a version: everybody who wants it awaits the same start."""
        if not version.starting:
            self._begin(version)
        return await asyncio.shield(next(iter(version.starting)))

    async def _one_more(self, version: _Version) -> None:
        try:
            await asyncio.shield(self._begin(version))
        except LoadFailed as error:
            logger.warning("another runner could not be started: %s", error)

    def _begin(self, version: _Version) -> asyncio.Task[RunnerProcess]:
        task = asyncio.get_running_loop().create_task(self._loaded(version))
        version.starting.add(task)

        def started(done: asyncio.Task[RunnerProcess]) -> None:
            version.starting.discard(done)
            if not done.cancelled() and done.exception() is not None:
                self._forget_if_unused(version)

        task.add_done_callback(started)
        return task

    async def _loaded(self, version: _Version) -> RunnerProcess:
        runner = await self._load_fresh(version.digest)
        version.path = self._bundles[version.digest].path
        self._admit(version, runner)
        return runner

    async def _runner_alone(self, digest: str) -> RunnerProcess:
        await self._alone.acquire()
        try:
            runner = await self._load_fresh(digest)
        except BaseException:
            self._alone.release()
            raise
        runner.exclusive = True
        if not runner.alive:
            self._alone.release()
            raise LoadFailed(Loaded(error=f"the runner {runner.ended.result()} before it began"))
        self._keep_watch()
        return runner

    async def _load_fresh(self, digest: str) -> RunnerProcess:
        bundle = await self._bundle(digest)
        runner = await self._blank()
        loaded = await runner.load(bundle, self._cwd, self._settings)
        self.start()
        if loaded.error:
            self._retire(runner)
            raise LoadFailed(loaded)
        return runner

    async def _blank(self) -> RunnerProcess:
        """The spare runner, or a new one; the next spare is started once this one has loaded its code."""
        spare, self._spare = self._spare, None
        if spare is not None:
            with contextlib.suppress(OSError):
                runner = await spare
                if runner.alive:
                    return runner
        return await self._spawn()

    async def _spawn(self) -> RunnerProcess:
        runner = await RunnerProcess.spawn(self, self._cwd, self._limits, self._clock)
        self._all.add(runner)
        return runner

    def _admit(self, version: _Version, runner: RunnerProcess) -> None:
        version = self._versions.setdefault(version.digest, version)
        version.runners.append(runner)
        runner.idle_since = asyncio.get_running_loop().time()
        idle = self._idle()
        for surplus in idle[: max(0, len(idle) - _IDLE_AT_MOST)]:
            self._retire(surplus)
        self._keep_sweeping()

    async def _bundle(self, digest: str) -> Bundle:
        if digest not in self._bundles:
            self._keep_bundle(await self._fetch(digest))
        self._bundles.move_to_end(digest)
        return self._bundles[digest]

    def _keep_bundle(self, bundle: Bundle) -> None:
        self._bundles[bundle.digest] = bundle
        while len(self._bundles) > _BUNDLES:
            self._bundles.popitem(last=False)

    # -- leaving -------------------------------------------------------------------------------

    def _supersede(self, version: _Version, path: str) -> None:
        version.path, version.superseded = path, False
        for other in self._versions.values():
            if other is not version and other.path == path:
                other.superseded = True

    def _replace(self, runner: RunnerProcess) -> None:
        version = self._versions.get(runner.digest)
        runner.draining = True
        if version is not None and not runner.exclusive:
            self._in_background(self._one_more(version))
        if not runner.executions:
            self._retire(runner)

    def _idle(self) -> list[RunnerProcess]:
        """Loaded runners without executions, the one idle for longest first."""
        runners = [runner for version in self._versions.values() for runner in version.runners]
        return sorted((runner for runner in runners if not runner.executions), key=lambda runner: runner.idle_since)

    def _retire(self, runner: RunnerProcess) -> None:
        """Take it off its version's list now, and let it leave."""
        runner.draining = True
        version = self._versions.get(runner.digest)
        if version is not None and runner in version.runners:
            version.runners.remove(runner)
            self._forget_if_unused(version)
        self._in_background(runner.leave())

    def _forget_if_unused(self, version: _Version) -> None:
        if not version.runners and not version.starting:
            self._versions.pop(version.digest, None)

    def _keep_sweeping(self) -> None:
        if self._sweeping is None and not self._closing:
            delay = min(self._limits.idle / 4, 10.0)
            self._sweeping = asyncio.get_running_loop().call_later(delay, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        now = asyncio.get_running_loop().time()
        for runner in self._idle():
            version = self._versions.get(runner.digest)
            last = version is not None and len(version.runners) == 1 and not version.superseded
            if now - runner.idle_since >= (self._limits.kept if last else self._limits.idle):
                self._retire(runner)
        if any(version.runners for version in self._versions.values()):
            self._keep_sweeping()

    # -- watching ------------------------------------------------------------------------------

    def _keep_watch(self) -> None:
        if self._watching is None and not self._closing:
            loop = asyncio.get_running_loop()
            delay = self._limits.blocked / 5
            self._watching = loop.call_later(delay, self._look, loop.time() + delay)

    def _look(self, expected: float) -> None:
        """Find blocked runners; time in which this process itself was held up does not count."""
        self._watching = None
        now = asyncio.get_running_loop().time()
        held_up = max(0.0, now - expected)
        busy = [runner for runner in self._all if runner.executions]
        for runner in busy:
            runner.last_sign = min(now, runner.last_sign + held_up)
            if now - runner.last_sign >= self._limits.blocked:
                self._in_background(runner.end_blocked(self._limits.blocked))
        if busy:
            self._keep_watch()

    def _in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
