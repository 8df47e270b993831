"""The process in which user code lives: `python -m flux.worker.runner SOCKET_FD STACK_FD [BEAT_SECONDS]`.

It starts blank, imports one version of the user's code when told to, and runs many executions at once
on its loop. Frames travel over the inherited socket only; descriptors 1 and 2 belong to the user's code.
When the agent goes away the runner exits at once, whatever its code is doing.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import contextlib
import faulthandler
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextvars import Context
from typing import NoReturn

from flux.clock import SystemClock
from flux.domain import LogLine
from flux.engine import threads
from flux.worker.capture import Capture, install, uninstall_in_child
from flux.worker.channel import Channel
from flux.worker.frames import (
    Ack,
    Answer,
    Beat,
    Cancel,
    Load,
    Output,
    Replay,
    Shutdown,
    Start,
    Told,
    ToRunner,
    Validate,
    to_runner_decoder,
)
from flux.worker.hosting import Host

STACK_SIGNAL = signal.SIGUSR2
"""What the agent sends to a runner whose loop is blocked: it writes where, then dies of it."""
_exit = os._exit


class Runner:
    """Routes frames between the agent and the host, and shows that the loop is alive."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, beat: float) -> None:
        self._loop = loop
        self._beat = beat
        self._context = Context()
        self._beating: asyncio.TimerHandle | None = None
        self._beat_until = 0.0
        self._leaving = False
        self.channel = Channel(loop, sock, to_runner_decoder, self._receive, _die)
        self.capture = Capture(self._send_output, self._later, SystemClock())
        self.host = Host(loop, self.channel, self.capture, SystemClock(), self._idle)

    def run(self) -> None:
        """Until the agent says `Shutdown` and the last execution has left."""
        self.channel.send_now(Beat())
        while not self._leaving or self.host.busy:
            # asyncio lets these two of user code stop the loop; the executions that did not raise them go on.
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                self._loop.run_forever()
        self.capture.flush_all()
        self.channel.flush()

    def _receive(self, frame: ToRunner) -> None:
        match frame:
            case Ack():
                self.host.acknowledge(frame)
            case Start():
                self.host.start(frame)
                self._keep_beating()
            case Answer():
                self.host.answer(frame)
            case Cancel():
                self.host.cancel(frame)
            case Told():
                self.host.told(frame)
            case Validate():
                self.host.validate(frame)
            case Replay():
                self.host.replay(frame)
            case Load():
                self.host.load(frame)
            case Shutdown():
                self._leaving = True
                self._idle()

    def _idle(self) -> None:
        if self._leaving and not self.host.busy:
            self._loop.call_soon(self._loop.stop, context=self._context)

    def _keep_beating(self) -> None:
        if self.host.busy:
            # A thread may turn out to be stuck only after its execution has left.
            self._beat_until = self._loop.time() + threads.STUCK_AFTER + 2 * self._beat
        if self._beating is None:
            self._beating = self._loop.call_later(self._beat, self._tick, context=self._context)

    def _tick(self) -> None:
        self._beating = None
        stuck = threads.stuck()
        self.channel.send(Beat(stuck))
        if self.host.busy or stuck or self._loop.time() < self._beat_until:
            self._keep_beating()

    def _send_output(self, lines: tuple[LogLine, ...]) -> None:
        self.channel.send_now(Output(lines))

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        def arm() -> None:
            self._loop.call_later(seconds, call, context=self._context)

        # A destructor may print after the loop has closed.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(arm, context=self._context)


def main() -> None:
    """Entry point of the process."""
    socket_fd, stack_fd = int(sys.argv[1]), int(sys.argv[2])
    beat = float(sys.argv[3]) if len(sys.argv) > 3 else 1.0
    for fd in (socket_fd, stack_fd):
        os.set_inheritable(fd, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable(stack_fd, all_threads=False)
    # The signal's own action comes behind the dump: the end of the process is the end of the stack.
    faulthandler.register(STACK_SIGNAL, file=stack_fd, all_threads=False, chain=True)
    sys.argv = [""]
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    sock = socket.socket(fileno=socket_fd)
    runner = Runner(loop, sock, beat)
    install(runner.capture)
    os.register_at_fork(after_in_child=lambda: _detach(sock, stack_fd))
    threading.Thread(target=_watch_agent, args=(socket_fd,), daemon=True, name="flux-parent").start()
    runner.run()


def _watch_agent(fd: int) -> None:
    """Notices the agent's end even while the loop is blocked."""
    poll = select.poll()
    poll.register(fd, 0)
    while not poll.poll():
        continue
    _die()


def _die() -> NoReturn:
    """No orphan keeps running: neither this process nor what its code has started."""
    if os.getpgrp() == os.getpid():
        with contextlib.suppress(OSError):
            os.killpg(0, signal.SIGKILL)
    _exit(1)


def _detach(sock: socket.socket, stack_fd: int) -> None:
    """A process forked by user code is no runner: it must not speak for this one."""
    with contextlib.suppress(OSError):
        os.close(sock.detach())
    with contextlib.suppress(OSError):
        os.close(stack_fd)
    faulthandler.disable()
    faulthandler.unregister(STACK_SIGNAL)
    os._exit = _exit
    # Forked inside a sync task, this thread would be told to wait for itself at the end, and fail.
    getattr(concurrent.futures.thread, "_threads_queues", {}).clear()
    uninstall_in_child()


if __name__ == "__main__":
    main()
