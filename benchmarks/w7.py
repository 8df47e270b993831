"""W7: what doing nothing costs."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks._harness import Figure, cpu_seconds, server, worker


def measure(full: bool) -> Iterator[Figure]:
    """Processor time of an idle server and of an idle worker that is connected to it."""
    window = 60 if full else 20
    with server(workers=0) as running, worker(running) as connected:
        time.sleep(3)
        before = cpu_seconds(running.pid), cpu_seconds(connected.pid)
        time.sleep(window)
        after = cpu_seconds(running.pid), cpu_seconds(connected.pid)
    for name, first, last in zip(("server", "worker"), before, after, strict=True):
        yield Figure("w7", f"{name}, idle for {window} s", 100 * (last - first) / window, "% CPU")
