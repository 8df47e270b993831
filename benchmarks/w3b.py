"""W3b: some executions with many tasks each."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks._harness import Figure, Load, load, remote_server, server, warm
from benchmarks._limits import rows_per_second


def measure(full: bool) -> Iterator[Figure]:
    """20 executions with 40 sequential tasks each, submitted at once."""
    for place, start in (("embedded", server), ("remote", remote_server)):
        with start() as running:
            warm(running, value=40, times=50)
            request = Load(
                running.port,
                "/workflows/sequential/run/sync",
                40,
                count=20,
                concurrency=20,
                expect_state="COMPLETED",
            )
            seen = min((load(request) for _ in range(5)), key=lambda each: each.seconds)
        yield Figure(
            "w3b",
            f"20 executions of 40 tasks at once, {place}",
            800 / seen.seconds,
            "tasks/s",
            rows_per_second("full", 20),
            "rows/s, 20 in each commit",
        )
