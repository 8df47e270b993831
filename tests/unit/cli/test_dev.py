"""`flux dev --plain` as a real process: serve, run, reload, survive, stop."""

import fcntl
import json
import os
import pty
import queue
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

import pytest
from typer.testing import CliRunner

from flux.cli.main import app

TIMEOUT = 40
FLOW = """
from flux import ExecutionContext, task, workflow
from flux.tasks import pause

@task
async def greet(name: str) -> str:
    return f"{word}, {{name}}"

@workflow
async def hello(ctx: ExecutionContext[str]):
    return await greet(ctx.input)

@workflow
async def asks(ctx):
    return await pause("approval")
"""


class Dev:
    """`flux dev --plain` in a folder, its lines as they come."""

    def __init__(self, folder, *arguments):
        command = [sys.executable, "-m", "flux.cli.main", "dev", "--plain", "--port", "0", *arguments]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
        self.process = subprocess.Popen(
            command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines = []
        self._queue = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def until(self, pattern):
        """The match of the first new line that matches."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            try:
                line = self._queue.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            assert line is not None, f"no line matches {pattern!r} in:\n" + "\n".join(self.lines)
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found

    def run(self, *arguments):
        result = CliRunner().invoke(app, [*arguments, "--server-url", self.url])
        assert result.exit_code == 0, result.output
        return result.stdout

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(TIMEOUT)
        self._reader.join()
        self.process.stdout.close()
        return code


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "flows.py").write_text(FLOW.format(word="Hello"))
    return tmp_path


@pytest.fixture
def dev(folder):
    dev = Dev(folder)
    try:
        dev.url = dev.until(r"flux dev on (http://\S+),").group(1)
        yield dev
    finally:
        dev.end()


def test_the_whole_loop(dev, folder):
    pid = int(dev.until(r"starting \(pid (\d+)\)").group(1))
    dev.until(r"reload .*flows\.py.*default/hello v1")
    done = json.loads(dev.run("workflow", "run", "hello", "World", "--mode", "sync"))
    assert (done["state"], done["output"], done["version"]) == ("COMPLETED", "Hello, World", 1)
    dev.until(r"hello completed")

    paused = json.loads(dev.run("workflow", "run", "asks", "--mode", "sync"))
    assert paused["state"] == "PAUSED"

    (folder / "flows.py").write_text(FLOW.format(word="Welcome"))
    dev.until(r"default/hello v2")
    assert json.loads(dev.run("workflow", "run", "hello", "X", "--mode", "sync"))["output"] == "Welcome, X"

    (folder / "flows.py").write_text("import nothing_like_this\n" + FLOW.format(word="Broken"))
    dev.until(r"✗ flows\.py:1 .*nothing_like_this")
    assert json.loads(dev.run("workflow", "run", "hello", "X", "--mode", "sync"))["output"] == "Welcome, X"

    os.kill(pid, signal.SIGKILL)
    dev.until("killed by SIGKILL")
    again = int(dev.until(r"running \(pid (\d+)\)").group(1))
    assert again != pid
    resumed = dev.run("workflow", "resume", "asks", paused["execution_id"], '{"ok": 1}', "--mode", "sync")
    assert json.loads(resumed)["output"] == {"ok": 1}

    (folder / "flows.py").write_text(FLOW.format(word="Fixed"))
    dev.until(r"✓ flows\.py.*default/hello v3")

    other = json.loads(dev.run("workflow", "run", "asks", "--mode", "sync"))
    dev.run("execution", "cancel", other["execution_id"], "--wait")
    assert json.loads(dev.run("execution", "show", other["execution_id"], "--format", "json"))["state"] == "CANCELLED"

    assert dev.end() == 0
    assert ended(again, 0)


def ended(pid, timeout=TIMEOUT):
    """Wait for the end of a process that is not our child."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], timeout)[0])
    finally:
        os.close(descriptor)


def test_the_server_ends_with_its_parent_whatever_happened_to_that(dev):
    pid = int(dev.until(r"running \(pid (\d+)\)").group(1))
    dev.process.kill()
    assert ended(pid)


def test_a_database_that_another_server_has_is_said_before_anything_starts(dev, folder, monkeypatch):
    dev.until(r"running \(pid")
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(app, ["dev", "--plain", "--port", "0"])
    assert result.exit_code == 1
    assert "is served by another Flux server" in result.stderr


def test_the_dashboard_opens_and_leaves_the_terminal_as_it_was(folder):
    environ = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("FLUX_")}
    command = [sys.executable, "-m", "flux.cli.main", "dev", "--port", "0"]
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(follower)
    process = subprocess.Popen(
        command, cwd=folder, env={**environ, "TERM": "xterm-256color"}, stdin=follower, stdout=follower, stderr=follower
    )
    try:
        painted = read_until(leader, b"flows.py")
        assert b"\x1b[?1049h" in painted
        process.send_signal(signal.SIGTERM)
        left = read_until(leader, b"stopping")
        assert b"\x1b[?1049l" in left
        assert process.wait(TIMEOUT) == 0
        assert termios.tcgetattr(follower)[:4] == before[:4]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(leader)
        os.close(follower)


def read_until(descriptor, mark):
    deadline, data = time.monotonic() + TIMEOUT, b""
    while mark not in data:
        ready, _, _ = select.select([descriptor], [], [], max(0.01, deadline - time.monotonic()))
        assert ready, f"{mark!r} never came: {data[-2000:]!r}"
        data += os.read(descriptor, 65536)
    return data


def test_a_taken_port_is_said_before_anything_starts(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(app, ["dev", "--plain", "--port", port])
    assert result.exit_code == 2
    assert f"Port {port} is taken" in result.stderr


def test_a_missing_path_is_an_error(folder, monkeypatch):
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(app, ["dev", "--plain", "--port", "0", "nope"])
    assert result.exit_code == 2
    assert "There is no file or folder 'nope'" in result.stderr


def test_a_home_that_cannot_be_made_is_an_error(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "file").write_text("")
    monkeypatch.setenv("FLUX_HOME", str(folder / "file" / "home"))
    result = CliRunner().invoke(app, ["dev", "--plain", "--port", "0"])
    assert result.exit_code == 2
    assert "The home" in result.stderr
    assert "FLUX_HOME" in result.stderr
