"""W4: how long it takes to continue an execution with a history."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks._harness import Figure, Load, Running, apart, folder, in_turns, load, server, warm
from benchmarks._limits import reading_seconds


def measure(full: bool) -> Iterator[Figure]:
    """From the answer to a pause until the end of the run, by the number of tasks before the pause."""
    counts = (100, 1_000, 5_000, 100_000) if full else (100, 1_000, 5_000)
    for count in counts:
        value, limit = in_turns(partial(resume_locally, count), partial(reading_milliseconds, 2 * count), times=3)
        yield Figure("w4", f"resume after {count:,} tasks, local", value, "ms", limit, "sqlite3 + json, as many events")
    with server() as running:
        warm(running)
        for count in counts:
            yield Figure("w4", f"resume after {count:,} tasks, server", resume(running, count), "ms")


def reading_milliseconds(events: int) -> float:
    """What the machine takes to read that many events."""
    return 1000 * reading_seconds(events)


def resume_locally(count: int) -> float:
    """Milliseconds of one resume in a process and on a database of its own."""
    with folder() as cwd:
        return 1000 * float(apart("_local", {"workflow": "paused_after", "input": count, "resume": 1}, cwd))


def resume(running: Running, count: int) -> float:
    """The median of three resumes, each of an execution of its own."""
    request = Load(running.port, "/workflows/paused_after/run/sync", count, count=3, expect_state="PAUSED")
    ids = [answer["execution_id"] for answer in load(request).answers]
    paths = [f"/workflows/paused_after/resume/{each}/sync" for each in ids]
    return load(Load(running.port, "", 1, paths=paths, expect_state="COMPLETED")).percentile(50)
