"""W1: tasks one after another in a local `wf.run()`."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks._harness import Figure, apart, folder
from benchmarks._limits import rows_per_second


def measure(full: bool) -> Iterator[Figure]:
    """1,000 tasks at both levels of durability; with `full` 100,000 in one execution as well."""
    for synchronous in ("normal", "full"):
        for count in (1_000, 100_000) if full else (1_000,):
            with folder() as cwd:
                request = {"workflow": "sequential", "input": count}
                seconds = apart("_local", request, cwd, FLUX_DATABASE_SYNCHRONOUS=synchronous)
            yield Figure(
                "w1",
                f"{count:,} sequential tasks, local, {synchronous}",
                count / seconds,
                "tasks/s",
                rows_per_second(synchronous, 1),
                "sqlite3 commits/s",
            )
