"""Appending: dense and ordered, once, and what the events make of the execution."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from flux.codec import Payload
from flux.domain import ExecutionEventType as E
from flux.domain import ExecutionState, Wait, WaitKind
from flux.errors import ExecutionFinishedError, StaleClaimError
from flux.store import Append, listing


async def test_events_come_back_as_they_were(store, make, started):
    execution = await started()
    wait = Wait("call-9", "approval", WaitKind.INPUT, 5, Payload(b"\x00\x01", "dill", "<Order>"), "{}", "shop:Order")
    sent = replace(
        make.event(E.TASK_PAUSED, 2, source="call-9", name="pause", payload=b'{"a":1}', wait=wait),
        payload=Payload(b"\x80\x04", "dill", "<Thing>"),
        parent="call-1",
        digest="abc",
        location="shop.py:41",
        wait_id="call-3",
    )
    appended = await store.executions.append(Append(execution.id, 1, [sent]))

    (kept,) = await store.executions.history(execution.id, after=execution.last_seq)
    assert kept == appended.events[0]
    assert kept == replace(sent, seq=4, position=kept.position)
    assert kept.position == await store.executions.last_position()


async def test_the_log_is_dense_and_positions_follow_the_commits(store, make, started):
    first, second = await started(), await started()
    await asyncio.gather(
        *(
            store.executions.append(Append(one.id, 1, [make.event(E.TASK_COMPLETED, n, source=f"c{n}")]))
            for n in range(2, 30)
            for one in (first, second)
        )
    )
    for one in (first, second):
        assert [event.seq for event in await store.executions.history(one.id)] == list(range(1, 32))
    rows = await store.executions.tail(0, 1000)
    positions = [event.position for _, event in rows]
    assert positions == sorted(set(positions))
    assert len(positions) == 62
    assert positions[-1] == await store.executions.last_position()
    assert {execution.id for execution, _ in rows} == {first.id, second.id}
    assert [event.position for _, event in await store.executions.tail(positions[9], 5)] == positions[10:15]


async def test_a_piece_of_the_history(store, started):
    execution = await started()
    history = await store.executions.history(execution.id, after=1, limit=1)
    assert [event.seq for event in history] == [2]


async def test_delivering_twice_gives_the_same_answer(store, make, started):
    execution = await started()
    batch = Append(execution.id, 1, [make.event(E.TASK_STARTED, 2), make.event(E.TASK_COMPLETED, 3)])
    first = await store.executions.append(batch)
    again = await store.executions.append(batch)

    assert not first.duplicate
    assert again.duplicate
    assert again.events == first.events
    assert again.execution == first.execution
    assert len(await store.executions.history(execution.id)) == 5


async def test_a_batch_that_was_partly_delivered_adds_the_rest(store, make, started):
    execution = await started()
    events = [make.event(E.TASK_COMPLETED, n) for n in (2, 3, 4)]
    await store.executions.append(Append(execution.id, 1, events[:2]))
    appended = await store.executions.append(Append(execution.id, 1, events[1:]))
    assert not appended.duplicate
    assert [event.seq for event in appended.events] == [5, 6]
    assert [event.ordinal for event in await store.executions.history(execution.id)] == [0, 0, 1, 2, 3, 4]


async def test_other_content_under_a_known_ordinal_is_refused(store, make, started):
    execution = await started()
    sent = make.event(E.TASK_COMPLETED, 2, payload=b"1")
    await store.executions.append(Append(execution.id, 1, [sent]))
    with pytest.raises(StaleClaimError, match="another content"):
        await store.executions.append(Append(execution.id, 1, [replace(sent, payload=Payload(b"2"))]))
    assert len(await store.executions.history(execution.id)) == 4


async def test_a_release_that_is_delivered_twice(store, make, started):
    execution = await started()
    batch = Append(execution.id, 1, [make.event(E.WORKFLOW_COMPLETED, 2, payload=b'"done"')], release=True)
    first, again = await store.executions.append(batch), await store.executions.append(batch)
    assert again.duplicate
    assert again.execution == first.execution
    assert (await store.executions.append(Append(execution.id, 1, [], release=True))).duplicate


async def test_ordinals_begin_anew_with_each_claim(store, make, started):
    execution = await started()
    await store.executions.requeue([(execution.id, 1)])
    claim = await store.executions.claim(execution.id, "bob")
    appended = await store.executions.append(
        Append(execution.id, claim.execution.generation, [make.event(E.TASK_COMPLETED, 1)])
    )
    assert not appended.duplicate


async def test_a_finished_execution_keeps_its_output_and_takes_no_more(store, make, clock, started):
    execution = await started()
    clock.advance(3)
    done = make.event(E.WORKFLOW_COMPLETED, 2, payload=b'"done"')
    finished = (await store.executions.append(Append(execution.id, 1, [done]))).execution

    assert finished.state is ExecutionState.COMPLETED
    assert finished.output == Payload(b'"done"')
    assert finished.finished_at == clock.now()
    assert finished.started_at == execution.started_at
    assert finished.owner == ""
    assert await store.executions.held() == []
    with pytest.raises(StaleClaimError):
        await store.executions.append(Append(execution.id, 1, [make.event(E.TASK_COMPLETED, 3)]))
    with pytest.raises(ExecutionFinishedError):
        await store.executions.append(Append(execution.id, 1, [make.event(E.WORKFLOW_FAILED)]))
    assert await store.executions.get(execution.id) == finished


async def test_a_failed_execution_reopens_by_command(store, make, started):
    execution = await started()
    failed = make.event(E.WORKFLOW_FAILED, 2, payload=b'"no"')
    await store.executions.append(Append(execution.id, 1, [failed], release=True))

    reopened = await store.executions.append(
        Append(execution.id, 1, [make.event(E.WORKFLOW_REOPENED)], version=2, digest="d2")
    )

    assert reopened.execution.state is ExecutionState.CREATED
    assert reopened.execution.finished_at is None
    assert reopened.execution.output is None
    assert (reopened.execution.version, reopened.execution.digest) == (2, "d2")
    assert reopened.ready
    assert [one.id for one in await store.executions.ready()] == [execution.id]


async def test_the_server_can_fail_what_a_worker_holds(store, make, started):
    execution = await started()
    appended = await store.executions.append(
        Append(execution.id, 1, [make.event(E.WORKFLOW_FAILED, payload=b'"died"')], release=True)
    )
    assert appended.execution.state is ExecutionState.FAILED
    assert await store.executions.held() == []


async def test_the_current_task_is_the_newest_unfinished_one(store, make, started):
    execution = await started()

    async def current(*events):
        return (await store.executions.append(Append(execution.id, 1, events))).execution.current_task

    assert await current(make.event(E.TASK_STARTED, 2, name="outer")) == "outer"
    assert await current(make.event(E.TASK_STARTED, 3, name="inner")) == "inner"
    assert await current(make.event(E.TASK_COMPLETED, 4, name="inner")) == "outer"
    assert await current(make.event(E.TASK_FAILED, 5, name="outer")) == ""


async def test_large_values_survive(store, make, started):
    execution = await started()
    big = b'"' + b"x" * 300_000 + b'"'
    await store.executions.append(Append(execution.id, 1, [make.event(E.TASK_COMPLETED, 2, payload=big)]))
    new = make.execution(input=big)
    await store.executions.create_owned(new, "local:here:1")
    await store.executions.append(Append(new.id, 1, [make.event(E.WORKFLOW_COMPLETED, 1, payload=big)]))
    assert (await store.executions.history(execution.id))[-1].payload == Payload(big)
    kept = await store.executions.get(new.id)
    assert kept.input == kept.output == Payload(big)


async def test_an_owner_that_asks_only_for_the_first_seq(store, make, started):
    execution = await started()
    owned = Append(execution.id, 1, [make.event(E.TASK_STARTED, 2), make.event(E.TASK_COMPLETED, 3)])

    first_seq = await store.executions.record(owned)
    again = await store.executions.record(owned)
    released = await store.executions.record(Append(execution.id, 1, [], release=True))

    history = await store.executions.history(execution.id)
    assert [event.type for event in history[first_seq - 1 :]] == [E.TASK_STARTED, E.TASK_COMPLETED]
    assert again == first_seq
    assert released == len(history) + 1
    assert [event.seq for event in history] == list(range(1, len(history) + 1))
    assert [event.position for event in history[-2:]] == [history[-1].position - 1, history[-1].position]
    with pytest.raises(StaleClaimError):
        await store.executions.record(Append(execution.id, 1, [make.event(E.TASK_STARTED, 4)]))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
async def test_a_history_is_read_in_pieces(store, make, started, monkeypatch, size):
    execution = await started()
    await store.executions.append(Append(execution.id, 1, [make.event(E.TASK_COMPLETED, n) for n in (2, 3)]))
    monkeypatch.setattr(listing, "INLINE_EVENTS", size)

    async def seqs(**given):
        return [event.seq for event in await store.executions.history(execution.id, **given)]

    assert await seqs() == [1, 2, 3, 4, 5]
    assert await seqs(after=1, limit=3) == [2, 3, 4]
    assert await seqs(limit=0) == await seqs(after=5) == []
