"""W6: start and size."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from benchmarks._harness import Figure, median_of, memory_mib, server, timed, worker
from benchmarks._limits import import_seconds, python_memory, python_start

FLOOR = "import asyncio, dataclasses, enum, inspect, json, sqlite3, typing"


def measure(full: bool) -> Iterator[Figure]:
    """Ready times, import and help, idle memory of server and worker without their runners."""
    start, memory = python_start(), python_memory()
    yield Figure(
        "w6", "import flux", import_seconds("import flux"), "s", import_seconds(FLOOR), "its stdlib imports, s"
    )
    help_seconds = median_of(lambda: timed([sys.executable, "-m", "flux.cli.main", "--help"]))
    yield Figure("w6", "flux --help", help_seconds, "s", start, "Python start, s")
    with server(workers=0) as running:
        yield Figure("w6", "server ready", running.ready_seconds, "s", start, "Python start, s")
        begin = time.perf_counter()
        with worker(running) as connected:
            yield Figure("w6", "worker ready", time.perf_counter() - begin, "s", start, "Python start, s")
            time.sleep(2)
            yield Figure("w6", "server, idle memory", memory_mib(running.pid), "MiB", memory, "bare Python, MiB")
            yield Figure("w6", "worker, idle memory", memory_mib(connected.pid), "MiB", memory, "bare Python, MiB")
