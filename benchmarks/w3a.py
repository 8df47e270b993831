"""W3a: many small executions at once."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks._harness import Figure, Load, load, remote_server, server, warm
from benchmarks._limits import fastapi


def measure(full: bool) -> Iterator[Figure]:
    """200 executions with 5 tasks each, submitted at once; the clock stops when the last one is finished."""
    for place, start in (("embedded", server), ("remote", remote_server)):
        with start() as running:
            warm(running, value=5, times=100)
            request = Load(
                running.port, "/workflows/sequential/run/sync", 5, count=200, concurrency=200, expect_state="COMPLETED"
            )
            seen = min((load(request) for _ in range(3)), key=lambda each: each.seconds)
        yield Figure(
            "w3a",
            f"200 executions of 5 tasks at once, {place}",
            200 / seen.seconds,
            "executions/s",
            fastapi()[1],
            "FastAPI requests/s",
        )
