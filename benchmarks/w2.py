"""W2: the latency of a workflow with one task through `run/sync`."""

from __future__ import annotations

import http.client
import sqlite3
import time
from collections.abc import Iterator

from benchmarks._harness import Figure, Load, Running, load, remote_server, server, warm
from benchmarks._limits import fastapi

STORED = 1_000_000


def measure(full: bool) -> Iterator[Figure]:
    """500 requests one after another, embedded and remote; with `full` beside a store of many executions too."""
    for place, start in (("embedded", server), ("remote", remote_server)):
        with start() as running:
            yield from latency(running, place)
            if full and place == "embedded":
                fill(running)
                yield from latency(running, f"embedded, {STORED:,} executions stored")
                yield listing(running)


def latency(running: Running, place: str) -> Iterator[Figure]:
    """p50 and p99."""
    warm(running, times=50)
    seen = load(Load(running.port, "/workflows/sequential/run/sync", 1, count=500, expect_state="COMPLETED"))
    for percent in (50, 99):
        what = f"one task, run/sync, {place}, p{percent}"
        yield Figure("w2", what, seen.percentile(percent), "ms", fastapi()[0], "one FastAPI request, ms")


def listing(running: Running) -> Figure:
    """The first page of the list of executions."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
    times = []
    for _ in range(50):
        begin = time.perf_counter()
        connection.request("GET", "/executions?limit=50")
        connection.getresponse().read()
        times.append(time.perf_counter() - begin)
    connection.close()
    value = 1000 * sorted(times)[25]
    return Figure(
        "w2", f"first page of {STORED:,} executions, p50", value, "ms", fastapi()[0], "one FastAPI request, ms"
    )


def fill(running: Running) -> None:
    """Copy a finished execution until the store holds many, in the database itself."""
    connection = sqlite3.connect(running.home / ".flux" / "flux.db", timeout=120)
    columns = [row[1] for row in connection.execute("pragma table_info(executions)")]
    key = columns[0]
    others = ", ".join(columns[1:])
    pick = f"select 'copy-' || n, {others} from (select * from executions where state = 'COMPLETED' limit 1), numbers"
    connection.execute(
        f"with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < {STORED}) "
        f"insert into executions ({key}, {others}) {pick}"
    )
    connection.commit()
    connection.close()
