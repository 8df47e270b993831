"""Dry replays of stored histories, in real throwaway processes."""

from __future__ import annotations

import pytest

from flux.dispatch.port import ReplayRequested
from flux.domain.verdict import Outcome
from flux.errors import FluxError
from flux.worker.process import Limits
from flux.worker.replaying import fetch_history, replay_all

SOURCE = """
from flux.tasks import pause

@task
async def step(number):
    print("a task ran")
    return number

@workflow
async def asks(ctx):
    print("the body runs")
    await step(ctx.input)
    return await pause("approval")

@workflow
async def counts(ctx):
    return [await step(number) for number in range(ctx.input)]
"""
BREAKING = SOURCE.replace("await step(ctx.input)", "await step(ctx.input + 1)")
BLOCKING = SOURCE.replace("await step(ctx.input)", "import time; time.sleep(0 if ctx.input > 1 else 600)")
LEAVING = SOURCE.replace("await step(ctx.input)", "import os; ctx.input > 1 or os._exit(7)")


@pytest.fixture
async def recorded(port, start, bundle):
    """Three executions that wait, and one that has ended."""
    start()
    ids = [port.submit(bundle(SOURCE), "asks", number) for number in (1, 2, 3)]
    ended = port.submit(bundle(SOURCE), "counts", 4)
    await port.until(lambda: all(port.state(one) == "PAUSED" for one in ids))
    assert await port.finished(ended) == [0, 1, 2, 3]
    await port.until(lambda: len(port.released) == 4)
    return [*ids, ended]


async def check(port, bundle, ids, **more):
    return await replay_all(bundle, ids, port.history_of, **more)


async def test_the_agent_answers_and_nothing_of_it_shows(port, start, bundle, recorded):
    events = {one: list(port.events[one]) for one in recorded}
    port.lines.clear()
    port.deliver(ReplayRequested("r1", bundle(BREAKING), tuple(recorded)))
    verdicts = await port.until(lambda: port.replays.get("r1"))
    assert [verdict.outcome for verdict in verdicts] == [Outcome.DIVERGES] * 3 + [Outcome.ENDS]
    assert verdicts[0].divergence["cause"] == "its argument `number` was 1 and is 2"
    assert verdicts[0].divergence["attempted_at"].startswith("/srv/app/flows.py:")
    assert port.events == events
    assert port.lines == []


async def test_the_recorded_code_is_consistent(port, bundle, recorded):
    verdicts = await check(port, bundle(SOURCE), recorded)
    assert [verdict.outcome for verdict in verdicts] == [Outcome.WAITS] * 3 + [Outcome.ENDS]


async def test_histories_come_in_pages_and_are_of_one_moment(port, bundle, recorded):
    ended = recorded[-1]
    port.pages.clear()
    saved = await fetch_history(port, "w1", ended)
    assert saved.events == tuple(port.events[ended])
    assert saved.execution.last_seq == len(saved.events)
    assert port.pages == list(range(0, len(saved.events), 3))


async def test_code_that_takes_its_process_along_spoils_no_other(port, bundle, recorded):
    leaves, *others = await check(port, bundle(LEAVING), recorded)
    assert leaves.outcome is Outcome.UNDECIDED
    assert "exit" in leaves.detail
    assert [verdict.outcome for verdict in others] == [Outcome.DIVERGES, Outcome.DIVERGES, Outcome.ENDS]


async def test_code_that_blocks_is_ended(port, bundle, recorded):
    limits = Limits(blocked=0.5)
    blocks, *others = await check(port, bundle(BLOCKING), recorded, limits=limits, patience=1)
    assert blocks.outcome is Outcome.UNDECIDED
    assert "was blocked for 1.5 s in replaying" in blocks.detail
    assert [verdict.outcome for verdict in others] == [Outcome.DIVERGES, Outcome.DIVERGES, Outcome.ENDS]


async def test_code_that_cannot_be_imported(port, bundle, recorded):
    verdicts = await check(port, bundle("raise RuntimeError('no')"), recorded)
    assert {verdict.outcome for verdict in verdicts} == {Outcome.UNLOADABLE}
    assert verdicts[0].detail == "the code cannot be imported: RuntimeError: no"
    assert verdicts[0].location == "/srv/app/flows.py:3"


async def test_code_without_the_workflow(port, bundle, recorded):
    verdicts = await check(port, bundle(SOURCE.replace("counts", "others")), recorded)
    assert [verdict.outcome for verdict in verdicts] == [Outcome.WAITS] * 3 + [Outcome.UNLOADABLE]
    assert "default/counts" in verdicts[-1].detail


async def test_a_history_that_is_gone(port, bundle, recorded):
    async def fetch(execution_id):
        if execution_id == recorded[0]:
            raise FluxError("deleted meanwhile")
        return await port.history_of(execution_id)

    gone, *others = await replay_all(bundle(SOURCE), recorded, fetch)
    assert (gone.outcome, gone.detail) == (Outcome.UNDECIDED, "the history cannot be had: deleted meanwhile")
    assert [verdict.outcome for verdict in others] == [Outcome.WAITS] * 2 + [Outcome.ENDS]
