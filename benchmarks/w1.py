"""W1: tasks one after another in a local `wf.run()`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks._harness import Figure, apart, folder, in_turns
from benchmarks._limits import rows_per_second


def measure(full: bool) -> Iterator[Figure]:
    """1,000 tasks at both levels of durability; with `full` up to 100,000 in one execution as well."""
    for synchronous in ("normal", "full"):
        for count in (1_000, 10_000, 100_000) if full else (1_000,):
            value, limit = in_turns(
                partial(tasks_per_second, count, synchronous),
                partial(rows_per_second, synchronous, 1),
                times=5 if count == 1_000 else 1,
            )
            what = f"{count:,} sequential tasks, local, {synchronous}"
            yield Figure("w1", what, value, "tasks/s", limit, "sqlite3 commits/s")


def tasks_per_second(count: int, synchronous: str) -> float:
    """Of one run in a process and on a database of its own."""
    with folder() as cwd:
        request = {"workflow": "sequential", "input": count}
        return count / float(apart("_local", request, cwd, FLUX_DATABASE_SYNCHRONOUS=synchronous))
