"""What the benchmarks share: figures, real processes, and the load client."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TOKEN = "benchmark-token"


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    `limit` is what the machine allows for the same thing, measured in the same run, or None where there is no such
    thing; for rates the ratio says how much of the limit is reached, for times how many times as long it takes.
    """

    workload: str
    what: str
    value: float
    unit: str
    limit: float | None = None
    limit_is: str = ""

    @property
    def ratio(self) -> float | None:
        """The figure in units of its limit."""
        return self.value / self.limit if self.limit else None


@dataclass(frozen=True)
class Load:
    """Requests for the load client: `count` times the same one, `concurrency` at a time."""

    port: int
    path: str
    body: Any = None
    method: str = "POST"
    count: int = 1
    concurrency: int = 1
    expect_state: str | None = None
    paths: Sequence[str] = field(default=())


@dataclass(frozen=True)
class Measured:
    """What the load client saw: the whole time, and each request's latency in seconds."""

    seconds: float
    latencies: list[float]
    answers: list[Any]

    def percentile(self, percent: float) -> float:
        """A latency in milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


@contextmanager
def folder() -> Iterator[Path]:
    """A fresh folder to work in; on the same file system as all the other figures."""
    with tempfile.TemporaryDirectory(prefix="flux-benchmark-") as name:
        yield Path(name)


def environment(home: Path, **settings: str) -> dict[str, str]:
    """Environment of a Flux process whose store is in `home`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
    path = os.pathsep.join(filter(None, [str(ROOT), clean.get("PYTHONPATH", "")]))
    return {
        **clean,
        "PYTHONPATH": path,
        "FLUX_HOME": str(home / ".flux"),
        "FLUX_LOG_LEVEL": "WARNING",
        "FLUX_WORKERS__BOOTSTRAP_TOKEN": TOKEN,
        **settings,
    }


def apart(module: str, request: object, cwd: Path | None = None, **settings: str) -> Any:
    """Run a module of the benchmarks in a process of its own: JSON in, JSON out."""
    where = cwd or ROOT
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}"],
        input=json.dumps(request),
        check=False,
        capture_output=True,
        text=True,
        cwd=where,
        env=environment(where, **settings),
        timeout=1200,
    )
    if done.returncode:
        raise RuntimeError(f"benchmarks.{module} failed:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def load(request: Load) -> Measured:
    """Send requests from a process of its own and wait for every answer."""
    seen = apart("_load", request.__dict__)
    return Measured(seen["seconds"], seen["latencies"], seen["answers"])


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    port: int
    pid: int
    ready_seconds: float
    home: Path

    def get(self, path: str) -> Any:
        """JSON of a `GET`, or None while the server does not answer with 200."""
        return fetch(self.port, path)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


def fetch(port: int, path: str) -> Any:
    """JSON of a `GET` on this machine, or None while nothing answers with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        return json.loads(body) if response.status == 200 else None
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 60, every: float = 0.005) -> Any:
    """The first true answer of `condition`."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        if answer := condition():
            return answer
        time.sleep(every)
    raise TimeoutError(f"{what} did not happen within {seconds:g} s")


@contextmanager
def process(arguments: Sequence[str], cwd: Path, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """`flux ARGUMENTS…` in the background; stopped, with what it started, at the end."""
    log = (cwd / "output.log").open("ab")
    started = subprocess.Popen(
        [sys.executable, "-m", "flux.cli.main", *arguments],
        cwd=cwd,
        env=environment(cwd, **settings),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        yield started
    finally:
        stop(started)
        log.close()


def stop(started: subprocess.Popen[bytes]) -> None:
    """Ask the process to end, and insist after ten seconds."""
    started.send_signal(signal.SIGTERM)
    try:
        started.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()


@contextmanager
def server(workers: int = 1, **settings: str) -> Iterator[Running]:
    """`flux start server` with embedded workers, ready to run the benchmark workflows."""
    with folder() as home:
        port = free_port()
        begin = time.perf_counter()
        arguments = ["start", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
        with process(arguments, home, **settings) as started:
            wait_for(lambda: is_ready(port, started, home), "the server's readiness")
            running = Running(port, started.pid, time.perf_counter() - begin, home)
            if workers:
                register(running)
            yield running


def is_ready(port: int, started: subprocess.Popen[bytes], home: Path) -> bool:
    """Whether the server answers that it is ready; raises when it has died."""
    if started.poll() is not None:
        raise RuntimeError(f"the server ended:\n{(home / 'output.log').read_text()[-4000:]}")
    return (fetch(port, "/ready") or {}).get("status") == "ready"


@contextmanager
def remote_server(**settings: str) -> Iterator[Running]:
    """A server without embedded workers, and one `flux start worker` that is connected to it."""
    with server(workers=0, **settings) as running, worker(running, **settings):
        register(running)
        yield running


@contextmanager
def worker(running: Running, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """`flux start worker`, connected to a server."""
    arguments = ["start", "worker", "remote", "--server-url", running.url]
    with folder() as home, process(arguments, home, **settings) as started:
        wait_for(lambda: online(running), "the worker's registration")
        yield started


def online(running: Running) -> bool:
    """Whether a worker is connected."""
    return any(worker["online"] for worker in running.get("/workers") or [])


def register(running: Running) -> None:
    """Publish the benchmark workflows."""
    command = [sys.executable, "-m", "flux.cli.main", "workflow", "register", str(ROOT / "benchmarks" / "workflows.py")]
    done = subprocess.run(
        [*command, "--server-url", running.url],
        env=environment(running.home),
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"registering failed:\n{done.stdout}{done.stderr}")


def warm(running: Running, workflow: str = "sequential", value: int = 1, times: int = 20) -> None:
    """Run a workflow a few times, so that runners are up before anything is measured."""
    load(Load(running.port, f"/workflows/{workflow}/run/sync", value, count=times, expect_state="COMPLETED"))


def median_of(measure: Callable[[], float], times: int = 5) -> float:
    """The median of several measurements."""
    return statistics.median(measure() for _ in range(times))


def in_turns(figure: Callable[[], float], limit: Callable[[], float], times: int = 5) -> tuple[float, float]:
    """Medians of a figure and of its limit, measured in turns: whatever else the machine does slows both of them."""
    pairs = [(figure(), limit()) for _ in range(times)]
    figures, limits = zip(*pairs, strict=True)
    return statistics.median(figures), statistics.median(limits)


def timed(command: Sequence[str], cwd: Path | None = None) -> float:
    """Seconds a command takes from start to end."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=cwd, env=environment(cwd or ROOT))
    return time.perf_counter() - begin


def memory_mib(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no resident memory")


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
