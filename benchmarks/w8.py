"""W8: how `flux dev` feels: first paint, ready to run, from saving to serving."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import statistics
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks._harness import Figure, apart, environment, fetch, folder, free_port, wait_for
from benchmarks._limits import import_seconds, python_start

SOURCE = """from flux import ExecutionContext, task, workflow


@task
async def greet(name: str) -> str:
    return f"Hello {NUMBER}, {{name}}"


@workflow
async def hello(ctx: ExecutionContext[str]) -> str:
    return await greet(ctx.input)
"""


class Screen:
    """A terminal of 160 columns and 50 lines with `flux dev` in it."""

    def __init__(self, project: Path, port: int) -> None:
        self.began = time.perf_counter()
        self.painted: float | None = None
        self.seen = b""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "flux.cli.main", "dev", str(project), "--port", str(port)],
            cwd=project,
            env={**environment(project), "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return
            if not data:
                return
            self.seen += data
            if self.painted is None and b"Executions" in self.seen:
                self.painted = time.perf_counter() - self.began

    def close(self) -> None:
        """Quit, and insist after ten seconds."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.close(self._master)


@contextmanager
def dashboard(project: Path, port: int) -> Iterator[Screen]:
    """`flux dev` on a project until the block ends."""
    screen = Screen(project, port)
    try:
        yield screen
    finally:
        screen.close()


def version(port: int) -> int:
    """The version of the workflow that the server runs, 0 while there is none."""
    return int((fetch(port, "/workflows/hello") or {}).get("version", 0))


def write(project: Path, number: int) -> None:
    """Save the workflow with another text in it."""
    (project / "hello.py").write_text(SOURCE.replace("{NUMBER}", str(number)).replace("{{", "{").replace("}}", "}"))


def measure(full: bool) -> Iterator[Figure]:
    """One start, then ten saves; the median of those."""
    yield from starting_and_saving()
    yield repaint()


def starting_and_saving() -> Iterator[Figure]:
    """A real `flux dev` in a pseudo-terminal."""
    port = free_port()
    with folder() as project:
        write(project, 0)
        with dashboard(project, port) as screen:
            ready = wait_for(lambda: version(port) and time.perf_counter() - screen.began, "the workflow's publication")
            painted = wait_for(lambda: screen.painted, "the first paint")
            saves = [save(project, port, number) for number in range(1, 11)]
    yield Figure("w8", "flux dev, first paint", painted, "s", import_seconds("import textual.app"), "import textual, s")
    yield Figure("w8", "flux dev, ready to run", ready, "s", python_start(), "Python start, s")
    limit = 1000 * (python_start() + import_seconds("import flux"))
    yield Figure(
        "w8", "from saving to serving, p50", statistics.median(saves), "ms", limit, "Python and import flux, ms"
    )


def save(project: Path, port: int, number: int) -> float:
    """Milliseconds from one save until the server has the new version."""
    time.sleep(0.5)
    before = version(port)
    begin = time.perf_counter()
    write(project, number)
    wait_for(lambda: version(port) > before, "the new version", 20)
    return 1000 * (time.perf_counter() - begin)


def repaint() -> Figure:
    """Processor time to draw the list of executions again after an event, 160 by 50, with 10,000 executions live."""
    milliseconds = apart("_repaint", {"executions": 10_000, "events": 200})
    return Figure("w8", "repaint at 160x50, 10,000 executions live, p50 of CPU time", milliseconds, "ms")
