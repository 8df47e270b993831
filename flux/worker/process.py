"""A runner process as its agent sees it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from flux.clock import Clock, SystemClock
from flux.domain import Bundle, Claim, LogLine
from flux.domain.verdict import Verdict
from flux.worker.channel import Channel
from flux.worker.frames import (
    Beat,
    Frame,
    FromRunner,
    Load,
    Loaded,
    Replay,
    Replayed,
    Shutdown,
    Start,
    Validate,
    Validated,
    from_runner_decoder,
)
from flux.worker.metering import LineBuffer, Meter, OutputLimits, dropped_text
from flux.worker.reasons import exit_reason, with_stack

_CHUNK = 1 << 16
_FLOOD = 8 << 20
"""Raw bytes after which reading pauses for one interval, so that a flood costs the agent little."""
_PRIVATE = ("FLUX_SECURITY", "FLUX_WORKERS__BOOTSTRAP_TOKEN", "FLUX_DATABASE_URL")


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds after which the pool acts.

    Attributes:
        beat: between two signs of life of a runner that has work.
        blocked: without one, a runner counts as blocked and is killed.
        starting: for a new process until it can take frames.
        loading: for importing the user's code.
        idle: until an unused runner of an old version, or one beyond the first of its version, leaves.
        kept: until the last unused runner of a current version leaves.
        grace: for a runner that was told to leave.
    """

    beat: float = 1.0
    blocked: float = 10.0
    starting: float = 60.0
    loading: float = 120.0
    idle: float = 30.0
    kept: float = 600.0
    grace: float = 5.0
    output: OutputLimits = field(default_factory=OutputLimits)


class Owner(Protocol):
    """Who is told what a runner does."""

    def on_frame(self, runner: RunnerProcess, frame: FromRunner) -> None:
        """A frame that the runner object does not answer itself."""
        ...

    def on_output(self, lines: tuple[LogLine, ...]) -> None:
        """Raw output of the process."""
        ...

    def on_exit(self, runner: RunnerProcess, reason: str) -> None:
        """The process has ended; `runner.executions` are those it took along."""
        ...


class RunnerProcess:
    """One process: blank, then loaded with a version, then running its executions.

    Attributes:
        digest: the version it has loaded or is loading, or "".
        executions: ids of the executions in it, with the generation of each claim.
        exclusive: kept for one execution that must run alone.
        draining: takes no new executions.
        last_sign: monotonic time of the last sign of life.
    """

    def __init__(self, process: asyncio.subprocess.Process, owner: Owner, limits: Limits, clock: Clock) -> None:
        self._process = process
        self._owner = owner
        self._limits = limits
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._loading: deque[asyncio.Future[Loaded]] = deque()
        self._questions: dict[str, asyncio.Future[Validated | Replayed]] = {}
        self._stack = bytearray()
        self._verdict = ""
        self._begun: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self.digest = ""
        self.executions: dict[str, int] = {}
        self.exclusive = False
        self.draining = False
        self.last_sign = self._loop.time()
        self.idle_since = self._loop.time()

    @classmethod
    async def spawn(cls, owner: Owner, cwd: str, limits: Limits, clock: Clock | None = None) -> RunnerProcess:
        """Start a blank runner."""
        mine, theirs = socket.socketpair()
        stack_read, stack_write = os.pipe()
        try:
            process = await _start(theirs.fileno(), stack_write, cwd, limits.beat)
        except BaseException:
            mine.close()
            os.close(stack_read)
            raise
        finally:
            theirs.close()
            os.close(stack_write)
        runner = cls(process, owner, limits, clock or SystemClock())
        runner._attach(mine, stack_read)
        return runner

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return not self.ended.done()

    @property
    def accepts(self) -> bool:
        """Whether new executions may go here."""
        return self.alive and not self.draining and not self.exclusive and not self._verdict

    async def load(self, bundle: Bundle, cwd: str, settings: Mapping[str, str]) -> Loaded:
        """Import a bundle. A crash or a hang on import is an answer with `error` too.

        Several may be asked for at once: they are imported in turn, each in place of the one before.
        """
        self.digest = bundle.digest
        answer: asyncio.Future[Loaded] = self._loop.create_future()
        self._loading.append(answer)
        self._channel.send(Load(bundle, cwd, dict(settings)))
        await self._first(self._begun, self._limits.starting)
        await self._first(answer, self._limits.loading)
        if answer.done():
            return answer.result()
        reason = await self.ended if self.ended.done() else await self.end_blocked(self._limits.loading, "importing")
        return Loaded(error=f"the runner {reason.splitlines()[0]} on import", traceback=reason, path=bundle.path)

    def start(self, claim: Claim) -> None:
        """Run an execution."""
        if not self.executions:
            self.last_sign = self._loop.time()
        self.executions[claim.execution.id] = claim.execution.generation
        self._channel.send(Start(claim.execution, claim.history))

    def send(self, frame: Frame) -> None:
        """Send a frame about an execution that runs here."""
        self._channel.send(frame)

    def forget(self, execution_id: str, generation: int) -> None:
        """The execution, as it ran under that claim, has left."""
        if self.executions.get(execution_id) == generation:
            del self.executions[execution_id]
        self.idle_since = self._loop.time()

    async def validate(self, request: Validate) -> list[dict[str, object]] | None:
        """The field errors of a value; None when the runner ends before it answers."""
        answered: Validated | None = await self._asked((request,), self._limits.blocked, "validating")
        return None if answered is None else answered.errors

    async def replay(self, parts: Sequence[Replay]) -> Verdict | None:
        """What the loaded code would do with a history; None when the runner ends before it answers."""
        limit = parts[0].patience + self._limits.blocked
        answered: Replayed | None = await self._asked(parts, limit, "replaying")
        return None if answered is None else answered.verdict

    async def _asked(self, question: Sequence[Validate | Replay], limit: float, doing: str) -> Any:
        """The frame that answers; None when the runner ends before, which it does when it takes too long."""
        request_id = question[0].request_id
        answer = self._questions[request_id] = self._loop.create_future()
        for frame in question:
            self._channel.send(frame)
        await self._first(answer, limit)
        self._questions.pop(request_id, None)
        if answer.done():
            return answer.result()
        if self.alive:
            await self.end_blocked(limit, doing)
        return None

    async def end_blocked(self, seconds: float, doing: str = "its event loop") -> str:
        """Kill a runner that shows no sign of life, with the stack that blocks it; the reason comes back.

        The signal makes it write the stack and then end by itself, so its end says that all of the stack is there.
        """
        if not self._verdict:
            self._verdict = f"was blocked for {seconds:g} s in {doing}"
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGUSR2)
            await asyncio.wait({self.ended}, timeout=self._limits.grace)
            if self.alive:
                self.kill()
        return await asyncio.shield(self.ended)

    async def leave(self) -> None:
        """Let it finish what runs in it, then end; killed when it lingers after that."""
        self.draining = True
        self._channel.send(Shutdown())
        while self.alive:
            done, _ = await asyncio.wait({self.ended}, timeout=self._limits.grace)
            if not done and not self.executions:
                self.kill()
                await asyncio.shield(self.ended)

    def kill(self) -> None:
        """End it and what its code has started, at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def _first(self, answer: asyncio.Future[Any], timeout: float) -> None:
        """Come back when there is an answer, when the process has ended, or when it takes too long."""
        either: set[asyncio.Future[Any]] = {answer, self.ended}
        await asyncio.wait(either, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)

    def _attach(self, sock: socket.socket, stack_fd: int) -> None:
        self._channel = Channel(self._loop, sock, from_runner_decoder, self._receive, self._lost)
        os.set_blocking(stack_fd, False)
        self._stack_fd = stack_fd
        self._loop.add_reader(stack_fd, self._read_stack)
        self._watching = self._loop.create_task(self._watch())

    def _receive(self, frame: FromRunner) -> None:
        if not self._begun.done():
            self._begun.set_result(None)
        match frame:
            case Beat():
                self.last_sign = self._loop.time()
                if frame.threads_stuck:
                    self._owner.on_frame(self, frame)
            case Loaded():
                if self._loading and not (answer := self._loading.popleft()).done():
                    answer.set_result(frame)
            case Validated() | Replayed():
                waiting = self._questions.get(frame.request_id)
                if waiting is not None and not waiting.done():
                    waiting.set_result(frame)
            case _:
                self._owner.on_frame(self, frame)

    def _lost(self) -> None:
        """The pipe broke while the process may still run: it cannot do anything useful any more."""
        if self._process.returncode is None and not self.draining:
            self._loop.call_later(0.5, self._kill_if_running)

    def _kill_if_running(self) -> None:
        if self._process.returncode is None:
            self.kill()

    def _read_stack(self) -> None:
        try:
            data = os.read(self._stack_fd, _CHUNK)
        except BlockingIOError:
            return
        if data:
            self._stack += data
        else:
            self._loop.remove_reader(self._stack_fd)

    async def _watch(self) -> None:
        """Reads raw output until the process has ended, then tells."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        pumps = [
            self._loop.create_task(self._pump(self._process.stdout, "stdout", "INFO")),
            self._loop.create_task(self._pump(self._process.stderr, "stderr", "WARNING")),
        ]
        try:
            returncode = await self._process.wait()
        except asyncio.CancelledError:
            # The loop is closing: nobody could watch it any more, and who waits for its end must not wait for ever.
            self.kill()
            returncode = await self._process.wait()
        # What user code started may hold the descriptors open; the last words are there by now.
        await asyncio.wait(pumps, timeout=0.2)
        for pump in pumps:
            pump.cancel()
        self._finish(returncode)

    def _finish(self, returncode: int) -> None:
        if returncode < 0 or not self.draining:
            # What the code has started must not go on alone, beside its own second run.
            self.kill()
        self._drain_channel()
        # What the code has started may hold the pipes open for ever.
        self._process._transport.close()  # type: ignore[attr-defined]  # asyncio offers no other way
        self._read_stack()
        self._loop.remove_reader(self._stack_fd)
        os.close(self._stack_fd)
        stack = self._stack.decode("utf-8", "replace")
        reason = with_stack(self._verdict or exit_reason(returncode), stack)
        self.ended.set_result(reason)
        self._owner.on_exit(self, reason)

    def _drain_channel(self) -> None:
        """Take the frames that were sent before the end: they may hold results that are worth keeping."""
        self._channel.drain()
        self._channel.close()

    async def _pump(self, stream: asyncio.StreamReader, source: str, level: str) -> None:
        limits = self._limits.output
        meter, buffer, read = Meter(limits, time.monotonic()), LineBuffer(limits.line), 0
        while (data := await _read(stream, 1.0 if meter.dropped else None)) != b"":
            now = time.monotonic()
            if meter.dropped and meter.is_open(now):
                self._tell([dropped_text(meter.settle())], source, level)
            if data is None:
                continue
            text = data.decode("utf-8", "replace")
            self._tell(buffer.feed(text, lambda count: meter.take(count, time.monotonic())), source, level)
            read += len(data)
            if read >= _FLOOD:
                read = 0
                await asyncio.sleep(limits.interval)
        rest, dropped = buffer.rest(), meter.settle()
        self._tell([line for line in (rest, dropped_text(dropped) if dropped else "") if line], source, level)

    def _tell(self, lines: list[str], source: str, level: str) -> None:
        if not lines:
            return
        execution_id = next(iter(self.executions)) if len(self.executions) == 1 else ""
        moment = self._clock.now()
        self._owner.on_output(tuple(LogLine(moment, level, source, line, execution_id) for line in lines))


async def _read(stream: asyncio.StreamReader, timeout: float | None) -> bytes | None:
    """What has arrived; b"" at the end, None when nothing came in time."""
    try:
        async with asyncio.timeout(timeout):
            return await stream.read(_CHUNK)
    except TimeoutError:
        return None


async def _start(socket_fd: int, stack_fd: int, cwd: str, beat: float) -> asyncio.subprocess.Process:
    arguments: list[Any] = [sys.executable, "-P", "-m", "flux.worker.runner", str(socket_fd), str(stack_fd), str(beat)]
    return await asyncio.create_subprocess_exec(
        *arguments,
        pass_fds=(socket_fd, stack_fd),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        cwd=cwd or None,
        env={name: value for name, value in os.environ.items() if not name.startswith(_PRIVATE)},
    )
