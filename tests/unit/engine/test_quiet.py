"""Looking at the loop's queue, whatever other threads do to it meanwhile."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from contextvars import Context

import pytest

from flux import task, workflow
from flux.engine import quiet as module
from flux.engine.quiet import FluxFuture, Quiet, Turns, awaits_outside


async def test_other_threads_may_fill_the_queue_while_it_is_read():
    loop = asyncio.get_running_loop()
    stop = threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            loop.call_soon_threadsafe(lambda: None)

    disturber = threading.Thread(target=disturb)
    disturber.start()
    try:
        quiet = Quiet(loop, lambda context: False)
        for _ in range(300):
            assert not quiet.busy()
            await asyncio.sleep(0)
    finally:
        stop.set()
        disturber.join()


async def test_only_callbacks_of_its_own_context_count():
    loop = asyncio.get_running_loop()
    mine = contextvars.copy_context()
    quiet = Quiet(loop, lambda context: context is mine)
    loop.call_soon(lambda: None)
    assert not quiet.busy()
    handle = loop.call_soon(lambda: None, context=mine)
    assert quiet.busy()
    handle.cancel()
    assert not quiet.busy()


async def test_what_counts_as_waiting_for_the_outside_world():
    inside: FluxFuture = FluxFuture()

    async def on(awaitable):
        await awaitable

    async def group():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(on(inside))

    async def one_of():
        await asyncio.wait([asyncio.ensure_future(on(inside))])

    flux = [asyncio.create_task(body) for body in (on(inside), group(), one_of(), on(asyncio.gather(on(inside))))]
    outside = asyncio.create_task(asyncio.sleep(30))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not awaits_outside(flux)
    assert awaits_outside([outside])
    inside.set_result(None)
    await asyncio.gather(*flux)
    outside.cancel()


async def test_many_threads_finish_while_branches_wait(lab):
    @task
    def work(number: int) -> int:
        return number

    @workflow
    async def w(ctx):
        return sum(await work.map(range(200)))

    for _ in range(5):
        lab.log.clear()
        assert (await lab.run(w)).context.output == sum(range(200))


async def test_a_commit_that_is_through_still_lets_those_run_who_are_ready():
    loop = asyncio.get_running_loop()
    turns = Turns(loop)
    await turns
    seen: list[str] = []
    loop.call_soon(seen.append, "other")
    await turns
    assert seen == ["other"]


async def test_commits_that_are_through_let_the_loop_turn_in_the_end():
    loop = asyncio.get_running_loop()
    turns = Turns(loop)
    rung = asyncio.Event()
    loop.call_later(0.005, rung.set)
    while not rung.is_set():
        await turns


async def test_a_turn_is_kept_while_nobody_else_is_ready(monkeypatch):
    monkeypatch.setattr(module, "LONGEST_TURN", 60.0)
    turns = Turns(asyncio.get_running_loop())
    assert turns.due()
    assert not turns.due()


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_timer_that_is_passed_over_rings_now_unless_the_code_cancels_it(cancelled):
    loop, mine, rang = asyncio.get_running_loop(), Context(), []
    timer = loop.call_later(3600, rang.append, "mine", context=mine)
    other = loop.call_later(3600, rang.append, "other", context=Context())
    assert Quiet(loop, lambda context: context is mine).skip([])
    if cancelled:
        timer.cancel()
    await asyncio.sleep(0.01)
    other.cancel()
    assert rang == ([] if cancelled else ["mine"])
