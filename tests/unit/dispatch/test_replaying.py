"""Asking workers what code would do with histories."""

from __future__ import annotations

import asyncio

import pytest

from flux.dispatch.port import ReplayRequested, ReplayResult
from flux.dispatch.replaying import Replays, history_page
from flux.domain import ExecutionState, Module
from flux.domain.verdict import Outcome, Verdict
from flux.engine.source import bundle_of
from flux.errors import ExecutionContextNotFoundError, RunnerNotAvailableError

BUNDLE = bundle_of("hello", {"hello": Module("/hello.py", "x = 'new'")})
WAITS = Verdict(Outcome.WAITS, "waits at input 'a'")


@pytest.fixture
async def replays(world, ref):
    """On a server with three executions that nobody runs."""
    await world.publish()
    for number in range(3):
        await world.executions.start(ref, number)
    return Replays(world.store, world.questions)


async def asked(connection) -> ReplayRequested:
    while True:
        for delivery in await connection.batch():
            if isinstance(delivery, ReplayRequested):
                return delivery


async def test_a_worker_that_goes_away_leaves_the_question_open(world, replays, ref):
    connection = world.join()
    checking = asyncio.create_task(replays.check(ref, BUNDLE))
    await asked(connection)
    world.presence.forget("w1")
    checked = await checking
    assert {verdict.outcome for _, verdict in checked.found} == {Outcome.UNDECIDED}


async def test_a_new_process_under_the_same_name_is_not_waited_for(world, replays, ref):
    connection = world.join(pid=1)
    checking = asyncio.create_task(replays.check(ref, BUNDLE))
    await asked(connection)
    world.join(pid=2)
    assert {verdict.outcome for _, verdict in (await checking).found} == {Outcome.UNDECIDED}


async def test_an_answer_that_does_not_fit_the_question_counts_for_nothing(world, replays, ref):
    connection = world.join()
    checking = asyncio.create_task(replays.check(ref, BUNDLE))
    request = await asked(connection)
    world.questions.answer(request.request_id, ReplayResult(request.request_id, (WAITS,)))
    assert {verdict.outcome for _, verdict in (await checking).found} == {Outcome.UNDECIDED}


async def test_only_executions_in_the_states_that_were_asked_for(world, replays, ref):
    assert (await replays.check(ref, BUNDLE, states=[ExecutionState.PAUSED])).found == ()
    with pytest.raises(RunnerNotAvailableError):
        await replays.check(ref, BUNDLE)


async def test_a_page_has_one_event_at_least(world, ref, monkeypatch):
    monkeypatch.setattr("flux.dispatch.replaying.PAGE_BYTES", 10)
    await world.publish()
    connection = world.join()
    execution = await world.executions.start(ref, "x" * 100)
    claim = await world.dispatcher.claim("w1", execution.id)
    large = '"a value that fills a page alone"'
    events = [world.event(kind, claim, value=large) for kind in ("TASK_STARTED", "TASK_COMPLETED")]
    await world.write("w1", claim, *events)
    connection.close()
    seqs, after = [], 0
    while page := (await history_page(world.store, execution.id, after)).events:
        seqs.append([event.seq for event in page])
        after = page[-1].seq
    assert seqs == [[1, 2], [3], [4]]
    with pytest.raises(ExecutionContextNotFoundError):
        await history_page(world.store, "nope", 0)
