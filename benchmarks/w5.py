"""W5: one workflow with many tasks at once."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks._harness import Figure, Load, apart, folder, in_turns, load, remote_server, server, warm
from benchmarks._limits import asyncio_tasks_per_second


def measure(full: bool) -> Iterator[Figure]:
    """`map` over 1,000 items, local and through a server."""
    value, limit = in_turns(map_locally, asyncio_tasks_per_second)
    yield Figure("w5", "map over 1,000, local", value, "tasks/s", limit, "asyncio tasks/s")
    for place, start in (("embedded", server), ("remote", remote_server)):
        with start() as running:
            warm(running, "fan_out", 100)
            seen = load(Load(running.port, "/workflows/fan_out/run/sync", 1000, count=5, expect_state="COMPLETED"))
        value = 1000 * 1000 / seen.percentile(50)
        yield Figure("w5", f"map over 1,000, server, {place}", value, "tasks/s", limit, "asyncio tasks/s")


def map_locally() -> float:
    """Tasks per second of one run in a process and on a database of its own."""
    with folder() as cwd:
        return 1000 / float(apart("_local", {"workflow": "fan_out", "input": 1000}, cwd))
