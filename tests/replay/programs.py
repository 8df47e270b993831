"""Workflows that are hard to replay. Add new ones; never change one: its recorded history would not fit any more."""

from __future__ import annotations

import asyncio
from typing import Any

from flux import ExecutionContext, call, task, workflow
from flux.tasks import Graph, choice, now, parallel, pause, pipeline, randint, sleep, uuid4


@task
async def fetch(key: str, takes: float = 0.0) -> str:
    await asyncio.sleep(takes)
    return f"<{key}>"


@task
def crunch(text: str) -> str:
    return text.upper()


@task
async def refuse(key: str) -> str:
    raise LookupError(key)


def undo(key: str) -> None:
    pass


attempts: dict[str, int] = {}


@task.with_options(retry_max_attempts=3, retry_delay=60)
async def unsteady(key: str) -> str:
    attempts[key] = attempts.get(key, 0) + 1
    await fetch(f"{key} inside")
    if attempts[key] < 3:
        raise ConnectionError(key)
    return key


@workflow
async def racing_for_chance(ctx: ExecutionContext[Any]) -> Any:
    """Branches end in another order than they begin, and draw lots then."""

    async def branch(index: int) -> Any:
        for step in range(3 - index):
            await fetch(f"{index}", takes=0.01 * step)
        return [index, str(await uuid4()), await choice(["x", "y"]), await randint(1, 10**6)]

    return await asyncio.gather(*(branch(index) for index in range(3)))


@workflow
async def first_one_wins(ctx: ExecutionContext[Any]) -> Any:
    tasks = [asyncio.create_task(fetch("slow", takes=5)), asyncio.create_task(fetch("quick"))]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for loser in pending:
        loser.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return [done.pop().result(), await fetch("after")]


@workflow
async def own_timeouts(ctx: ExecutionContext[Any]) -> Any:
    try:
        async with asyncio.timeout(0.05):
            await fetch("too slow", takes=5)
    except TimeoutError:
        return [await fetch("instead"), await pause("go on")]


@workflow
async def a_group_that_fails(ctx: ExecutionContext[Any]) -> Any:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fetch("endless", takes=600))
            group.create_task(refuse("no"))
    except* Exception:
        await fetch("picked up")
    return await pause("go on")


@workflow
async def several_pauses(ctx: ExecutionContext[Any]) -> Any:
    async def branch(name: str) -> Any:
        return [await fetch(name), await pause(name, schema={"type": "integer"}), await fetch(f"{name} answered")]

    return await parallel(branch("a"), branch("b"), sleep(90), fetch("c"))


@workflow
async def retries_with_calls_inside(ctx: ExecutionContext[Any]) -> Any:
    return [await unsteady("k"), await pause("go on")]


@workflow
async def handlers(ctx: ExecutionContext[Any]) -> Any:
    guarded = refuse.with_options(fallback=crunch.func)
    undone = refuse.with_options(rollback=undo)
    found = [await guarded("a")]
    for failing in (undone("b"), parallel(refuse("c"), fetch("d")), refuse.map(["e", "f"], raise_on_error=False)):
        try:
            found.append(await failing)
        except Exception as error:
            found.append(str(error))
    return [*found, await pause("go on")]


@task
async def outer(key: str) -> Any:
    return [await fetch(key), await pause("inside"), await crunch(key)]


@workflow
async def a_pause_in_a_task(ctx: ExecutionContext[Any]) -> Any:
    return [await outer("o"), (await now()).isoformat()]


@workflow
async def equal_calls(ctx: ExecutionContext[Any]) -> Any:
    return [await fetch("same"), await fetch("same"), *await fetch.map(["same", "same"], max_concurrent=1)]


@workflow
async def a_graph(ctx: ExecutionContext[Any]) -> Any:
    graph = (
        Graph("diamond")
        .add_node("in", fetch)
        .add_node("left", crunch)
        .add_node("right", crunch)
        .add_edge("in", "left", lambda text: True)
        .add_edge("in", "right", lambda text: False)
        .start_with("in")
        .end_with("left")
        .end_with("right")
    )
    return [await graph("x"), await pipeline(fetch, crunch, input="y")]


@workflow
async def cleans_up(ctx: ExecutionContext[Any]) -> Any:
    try:
        return await parallel(pause("never answered"), fetch.with_options(rollback=undo)("k"))
    finally:
        await fetch("cleaning")
        await fetch("cleaned")


@workflow.with_options(timeout=3600)
async def runs_out_of_time(ctx: ExecutionContext[Any]) -> Any:
    try:
        await sleep(7200)
    finally:
        await fetch("cleaning")


@workflow
async def child(ctx: ExecutionContext[Any]) -> Any:
    return [await fetch(str(ctx.input)), await pause("approval")]


@workflow
async def parent(ctx: ExecutionContext[Any]) -> Any:
    return [await call(child, "first"), await fetch("between")]
