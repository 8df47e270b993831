"""The cancellation example on a real server: a person cancels while a batch is being imported."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "cancellation.py"
FLUX = [sys.executable, "-m", "flux.cli.main"]


class Server:
    """A server in a process of its own."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.home = home
        self.env = {**os.environ, "FLUX_HOME": str(home / ".flux")}
        self.log = (home / "server.log").open("wb")
        command = [*FLUX, "start", "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        self.process = subprocess.Popen(command, cwd=home, env=self.env, stdout=self.log, stderr=self.log)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The JSON answer of a request, or None while nothing answers with 2xx."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        if method == "POST":
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            error.close()
            return None
        except urllib.error.URLError:
            return None

    def until(self, condition: Callable[[], Any]) -> Any:
        """The first true answer of a condition."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if answer := condition():
                return answer
            time.sleep(0.02)
        raise AssertionError(f"did not happen; the server said:\n{(self.home / 'server.log').read_text()}")

    def events(self, execution_id: str) -> list[dict[str, Any]]:
        """The events of an execution so far."""
        events: list[dict[str, Any]] = (self.call("GET", f"/executions/{execution_id}/events") or {}).get("events", [])
        return events

    def stop(self) -> None:
        """End it, and insist after ten seconds."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that has the example."""
    server = Server(tmp_path)
    try:
        server.until(lambda: (server.call("GET", "/ready") or {}).get("status") == "ready")
        register = [*FLUX, "workflow", "register", str(EXAMPLE), "--server-url", f"http://127.0.0.1:{server.port}"]
        subprocess.run(register, cwd=tmp_path, env=server.env, check=True, capture_output=True, timeout=60)
        yield server
    finally:
        server.stop()


def test_cancelling_cleans_up_and_rolls_back(server: Server) -> None:
    started = server.call("POST", "/workflows/import_batches/run/async", {"batches": 500, "seconds": 0.1})
    execution_id = started["execution_id"]
    server.until(lambda: sum(event["type"] == "TASK_COMPLETED" for event in server.events(execution_id)) >= 2)
    assert server.call("POST", f"/executions/{execution_id}/cancel")["state"] in {"CANCELLING", "CANCELLED"}
    server.until(lambda: server.call("GET", f"/executions/{execution_id}")["state"] == "CANCELLED")

    events = server.events(execution_id)
    imported = sum(event["name"] == "import_batch" and event["type"] == "TASK_COMPLETED" for event in events)
    asked = [event["type"] for event in events].index("WORKFLOW_CANCELLING")
    ending = [(event["type"], event["name"]) for event in events[asked:]]
    assert ending[-1] == ("WORKFLOW_CANCELLED", "import_batches")
    assert [name for name in ending if name[0].startswith("WORKFLOW")] == [ending[0], ending[-1]]
    interrupted = [type for type, name in ending if name == "import_batch" and type != "TASK_STARTED"]
    assert sorted(interrupted) == ["TASK_CANCELLED", "TASK_ROLLBACK_COMPLETED", "TASK_ROLLBACK_STARTED"]
    removed = [event["value"] for event in events if event["name"] == "remove" and event["type"] == "TASK_COMPLETED"]
    assert removed == [imported]
