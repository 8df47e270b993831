"""What the machine allows: the same work with nothing of Flux in it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from benchmarks._harness import Load, environment, fetch, folder, free_port, load, median_of, timed, wait_for

FASTAPI = """
import json, sys, uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
app = FastAPI()
class Answer(BaseModel):
    state: str
    output: int
    execution_id: str
@app.get("/ready")
async def ready() -> dict: return {"status": "ready"}
@app.post("/run")
async def run(value: int | None = None) -> Answer: return Answer(state="COMPLETED", output=1, execution_id="x")
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
"""

PEER = """
import sys
out, inp = sys.stdout.buffer, sys.stdin.buffer
frame = b"x" * 299 + b"\\n"
for _ in range(int(sys.argv[1])):
    out.write(frame); out.flush(); inp.readline()
"""


@contextmanager
def database(path: Path, synchronous: str) -> Iterator[sqlite3.Connection]:
    """A database as the store opens its own."""
    connection = sqlite3.connect(path / "limit.db", isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute(f"pragma synchronous = {synchronous}")
    connection.execute(
        "create table if not exists events "
        "(execution_id text, seq integer, value blob, primary key (execution_id, seq))"
    )
    try:
        yield connection
    finally:
        connection.close()


def insert(connection: sqlite3.Connection, first: int, rows: int) -> None:
    """One transaction with some rows."""
    connection.execute("begin immediate")
    connection.executemany(
        "insert into events values ('x', ?, ?)", [(number, b"v" * 300) for number in range(first, first + rows)]
    )
    connection.execute("commit")


def rows_per_second(synchronous: str, rows: int, commits: int = 2000) -> float:
    """Rows that stdlib sqlite3 makes durable in a second, in the calling thread, `rows` in each transaction."""
    with folder() as path, database(path, synchronous) as connection:
        begin = time.perf_counter()
        for number in range(commits):
            insert(connection, number * rows, rows)
        return rows * commits / (time.perf_counter() - begin)


def reading_seconds(rows: int) -> float:
    """Seconds to open a database with so many rows, each with a JSON value, and to read and parse all of them."""
    value = json.dumps({"number": 1_000_000}).encode()
    with folder() as path:
        with database(path, "normal") as connection:
            connection.execute("begin immediate")
            connection.executemany("insert into events values ('x', ?, ?)", ((number, value) for number in range(rows)))
            connection.execute("commit")
        begin = time.perf_counter()
        with database(path, "normal") as connection:
            for (data,) in connection.execute("select value from events where execution_id = 'x' order by seq"):
                json.loads(data)
        return time.perf_counter() - begin


@cache
def pipe_rounds_per_second(synchronous: str = "full", rounds: int = 2000) -> float:
    """Frame through a pipe, commit, acknowledgement back: the least that a task through a runner costs."""
    with folder() as path, database(path, synchronous) as connection:
        peer = subprocess.Popen(
            [sys.executable, "-c", PEER, str(rounds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert peer.stdin is not None
        assert peer.stdout is not None
        begin = time.perf_counter()
        for number in range(rounds):
            peer.stdout.readline()
            insert(connection, number, 1)
            peer.stdin.write(b"ok\n")
            peer.stdin.flush()
        seconds = time.perf_counter() - begin
        peer.stdin.close()
        peer.wait()
        peer.stdout.close()
        return rounds / seconds


@cache
def fastapi() -> tuple[float, float]:
    """One FastAPI request in milliseconds, and requests per second on 32 connections."""
    port = free_port()
    with folder() as path:
        app = subprocess.Popen([sys.executable, "-c", FASTAPI, str(port)], cwd=path, env=environment(path))
        try:
            wait_for(lambda: fetch(port, "/ready"), "the FastAPI application's readiness")
            load(Load(port, "/run", count=50))
            one = load(Load(port, "/run", count=500)).percentile(50)
            many = load(Load(port, "/run", count=6000, concurrency=32))
        finally:
            app.terminate()
            app.wait()
    return one, 6000 / many.seconds


def asyncio_tasks_per_second(count: int = 50_000) -> float:
    """Tasks that asyncio makes and finishes in a second."""

    async def nothing() -> None:
        return None

    async def many() -> float:
        begin = time.perf_counter()
        await asyncio.gather(*(asyncio.create_task(nothing()) for _ in range(count)))
        return count / (time.perf_counter() - begin)

    return asyncio.run(many())


@cache
def python_start() -> float:
    """Seconds to start and end Python."""
    return median_of(lambda: timed([sys.executable, "-I", "-c", "pass"]))


def import_seconds(statement: str) -> float:
    """Seconds that an import takes in a fresh interpreter, without the interpreter's own start."""
    code = f"import time; begin = time.perf_counter()\n{statement}\nprint(time.perf_counter() - begin)"

    def once() -> float:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        seconds: float = json.loads(done.stdout)
        return seconds

    return median_of(once)


@cache
def python_memory() -> float:
    """Resident memory in MiB of an interpreter that does nothing."""
    code = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)
