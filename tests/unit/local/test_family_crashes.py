"""A process that dies at any commit of a parent or a child: who goes on finds one child for each call."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
from collections import Counter

import pytest

from flux import ExecutionContext, call, task, workflow
from flux.clock import SystemClock
from flux.codec import Codec
from flux.domain import ExecutionState
from flux.domain.transitions import fold
from flux.local.host import LocalHost
from flux.local.journal import LocalJournal
from flux.store import Store
from flux.tasks import parallel

CODEC = Codec("pkl", b"key")
done: Counter[str] = Counter()


@task
async def step(name: str) -> str:
    done[name] += 1
    return name


@workflow
async def leaf(ctx: ExecutionContext[str]):
    return [await step(f"{ctx.input}1"), await step(f"{ctx.input}2")]


@workflow
async def branch(ctx: ExecutionContext[str]):
    return await call(leaf, ctx.input)


@workflow
async def tree(ctx):
    await step("first")
    both = await parallel(call(branch, "a"), call("leaf", "b"))
    detached = await call(leaf, "c", mode="async")
    return [*both, len(detached), await step("last")]


class Power:
    """Goes out with the n-th append of any execution."""

    def __init__(self, appends: int) -> None:
        self.left = appends
        self.out = asyncio.Event()


class DyingJournal(LocalJournal):
    def __init__(self, power, store, execution, told):
        super().__init__(store, execution, told)
        self.power = power

    def append(self, events, *, release=False):
        self.power.left -= 1
        if self.power.left < 0:
            self.power.out.set()
            return asyncio.get_running_loop().create_future()
        return super().append(events, release=release)


async def run_until(power: Power, store: Store) -> bool:
    """Run the tree in a process that loses its power; false when it came to its end before."""
    host = LocalHost(
        store, CODEC, SystemClock(), journal=lambda execution, told: DyingJournal(power, store, execution, told)
    )
    running = asyncio.create_task(host.start(tree, None))
    out = asyncio.create_task(power.out.wait())
    await asyncio.wait((running, out), return_when=asyncio.FIRST_COMPLETED)
    died = not running.done()
    for one in (running, out):
        one.cancel()
    await asyncio.gather(running, out, return_exceptions=True)
    return died


async def check(store: Store) -> None:
    page = await store.executions.list()
    refs = Counter(str(one.ref) for one in page.items)
    assert refs == {"default/tree": 1, "default/branch": 1, "default/leaf": 3}
    for one in page.items:
        history = await store.executions.history(one.id)
        assert one.state is ExecutionState.COMPLETED
        assert fold(history) is one.state
        assert [event.seq for event in history] == list(range(1, len(history) + 1))
        ends = Counter(event.source_id for event in history if event.type == "TASK_COMPLETED")
        assert set(ends.values()) <= {1}
        told = Counter(event.wait_id for event in history if event.type.startswith("TASK_CHILD_"))
        assert set(told.values()) <= {1}


async def test_a_crash_at_every_commit():
    for appends in itertools.count(1):
        done.clear()
        store = await Store.open("sqlite:///:memory:")
        died = await run_until(Power(appends), store)
        (root,) = [one for one in (await store.executions.list()).items if not one.parent_id]
        ctx = await LocalHost(store, CODEC, SystemClock()).proceed(tree, root.id)
        assert ctx.output == [["a1", "a2"], ["b1", "b2"], 32, "last"], appends
        await check(store)
        # A task whose outcome was not durable runs again, those before it do not.
        assert max(done.values()) <= 2
        assert len(done) == 8
        await store.close()
        if not died:
            break
    assert appends > 15


SCRIPT = """
import os, sys
from pathlib import Path
from flux import call, task, workflow

@task
async def note(text):
    with open("notes", "a") as file:
        file.write(text + "\\n")
    if os.environ.get("DIE_AT") == text:
        os._exit(9)
    return text

@workflow
async def child(ctx):
    return [await note("one"), await note("two")]

@workflow
async def parent(ctx):
    Path("id").write_text(ctx.execution_id)
    return [await call("child"), await note("three")]

if __name__ == "__main__":
    given = Path("id")
    print(parent.run(execution_id=given.read_text() if given.exists() else None).output)
"""


@pytest.mark.parametrize(("point", "notes"), [("one", "one one two three"), ("three", "one two three three")])
def test_a_process_that_is_killed(tmp_path, point, notes):
    (tmp_path / "family.py").write_text(SCRIPT)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
    command = [sys.executable, "family.py"]
    died = subprocess.run(command, cwd=tmp_path, env=environment | {"DIE_AT": point}, timeout=60, check=False)
    assert died.returncode == 9
    again = subprocess.run(
        command, cwd=tmp_path, env=environment, timeout=60, check=False, capture_output=True, text=True
    )
    assert again.stdout == "[['one', 'two'], 'three']\n", again.stderr
    assert (tmp_path / "notes").read_text().split() == notes.split()
