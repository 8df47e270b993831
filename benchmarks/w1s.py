"""W1s: the same tasks through a server and a worker."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks._harness import Figure, Load, load, remote_server, server, warm
from benchmarks._limits import pipe_rounds_per_second


def measure(full: bool) -> Iterator[Figure]:
    """1,000 sequential tasks in one execution, embedded and remote; the request ends after the last commit."""
    for place, start in (("embedded", server), ("remote", remote_server)):
        with start() as running:
            warm(running)
            seen = load(Load(running.port, "/workflows/sequential/run/sync", 1000, count=3, expect_state="COMPLETED"))
        yield Figure(
            "w1s",
            f"1,000 sequential tasks, server, {place}",
            1000 * 1000 / seen.percentile(50),
            "tasks/s",
            pipe_rounds_per_second(),
            "pipe + commit + ack rounds/s",
        )
