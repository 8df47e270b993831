"""Real processes: `flux dev --plain` on a folder of workflows, spoken to over HTTP."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

PATIENCE = 30.0
"""Seconds after which something that should have happened counts as never happening."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Dev:
    """A development session in a folder."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.lines: list[str] = []
        self._changed = threading.Condition()
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "FLUX_HOME": str(folder / ".flux")}
        command = [sys.executable, "-m", "flux.cli.main", "dev", "--plain", "--port", str(self.port), *arguments]
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.http = httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip())
                self._changed.notify_all()

    def wait_line(self, pattern: str, *, count: int = 1) -> str:
        """The n-th printed line that matches; waits for it."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while True:
                found = [line for line in self.lines if re.search(pattern, line)]
                if len(found) >= count:
                    return found[count - 1]
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise AssertionError(f"no line like {pattern!r} in:\n" + "\n".join(self.lines[-60:]))

    @property
    def server_pid(self) -> int:
        """Pid of the newest server child."""
        pids = [int(found[1]) for line in self.lines if (found := re.search(r"running \(pid (\d+)\)", line))]
        return pids[-1]

    def run(self, ref: str, input: Any = None, mode: str = "sync") -> dict[str, Any]:
        response = self.http.post(f"/workflows/{ref}/run/{mode}", json=input)
        assert response.status_code in (200, 202), response.text
        return response.json()

    def execution(self, execution_id: str) -> dict[str, Any]:
        return self.http.get(f"/executions/{execution_id}").json()

    def wait_state(self, execution_id: str, *states: str) -> dict[str, Any]:
        """The execution once it is in one of the states; survives a server that is away meanwhile."""

        def look() -> dict[str, Any] | None:
            with contextlib.suppress(httpx.TransportError):
                found = self.execution(execution_id)
                return found if found.get("state") in states else None
            return None

        return wait_for(look, f"{execution_id} to be {states}")

    def stop(self) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()


def wait_for(look: Callable[[], Any], what: str) -> Any:
    """The first truthy answer."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {PATIENCE:.0f} s for {what}")


@pytest.fixture
def start_dev(tmp_path: Path) -> Iterator[Callable[..., Dev]]:
    started: list[Dev] = []

    def start(files: dict[str, str], *arguments: str) -> Dev:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        dev = Dev(tmp_path, *(arguments or (".",)))
        started.append(dev)
        dev.wait_line(r"running \(pid \d+\)")
        return dev

    yield start
    for dev in started:
        dev.stop()


class Server:
    """A headless server with one worker, in a session of its own, so that all of it can be killed at once."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        command = [sys.executable, "-m", "flux.cli.main", "start", "server", "--port", str(port), "--workers", "1"]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "FLUX_HOME": str(folder / ".flux")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False)

    def is_ready(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self.http.get("/ready").status_code == 200
        return False

    def kill(self) -> None:
        """As a power cut would, runners included."""
        self.http.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def patiently() -> Callable[[Callable[[], Any], str], Any]:
    return wait_for


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[[], Server]]:
    started: list[Server] = []

    def start() -> Server:
        server = Server(tmp_path)
        started.append(server)
        wait_for(server.is_ready, "the server to be ready")
        return server

    yield start
    for server in started:
        server.kill()
