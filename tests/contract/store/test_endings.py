"""Cancelling, and what happens to an execution when its owner lets go."""

from __future__ import annotations

import pytest

from flux.domain import ExecutionEventType as E
from flux.domain import ExecutionState, WaitKind
from flux.errors import ExecutionFinishedError
from flux.store import Append
from flux.store.ledger import WAKE_AGAIN


@pytest.fixture
def cancel(store, make):
    async def cancel(execution_id):
        cancelling, cancelled = make.event(E.WORKFLOW_CANCELLING), make.event(E.WORKFLOW_CANCELLED)
        return await store.executions.cancel(execution_id, [cancelling], immediate=[cancelling, cancelled])

    return cancel


async def test_what_has_not_begun_is_cancelled_at_once(store, make, cancel):
    created = await store.executions.create(make.execution())
    appended = await cancel(created.id)
    assert appended.execution.state is ExecutionState.CANCELLED
    assert appended.execution.finished_at is not None
    assert [event.type for event in appended.events] == [E.WORKFLOW_CANCELLING, E.WORKFLOW_CANCELLED]
    assert not appended.ready
    assert await store.executions.ready() == []


async def test_a_claimed_one_is_cancelled_by_its_owner(store, make, cancel):
    created = await store.executions.create(make.execution())
    await store.executions.claim(created.id, "ada", [make.event(E.WORKFLOW_SCHEDULED)])
    appended = await cancel(created.id)
    assert appended.execution.state is ExecutionState.CANCELLING
    assert appended.execution.owner == "ada"


async def test_cancelling_twice_changes_nothing(store, cancel, started):
    execution = await started()
    first, again = await cancel(execution.id), await cancel(execution.id)
    assert not first.duplicate
    assert again.duplicate
    assert again.events == ()
    assert again.execution == first.execution


async def test_a_waiting_one_becomes_ready_to_be_cancelled(store, cancel, paused):
    execution = await paused()
    appended = await cancel(execution.id)
    assert appended.ready
    assert appended.execution.state is ExecutionState.CANCELLING
    assert [one.id for one in await store.executions.ready()] == [execution.id]


async def test_the_first_commit_wins(store, make, cancel, started):
    execution = await started()
    await cancel(execution.id)
    done = make.event(E.WORKFLOW_COMPLETED, 2, payload=b"1")
    finished = (await store.executions.append(Append(execution.id, 1, [done], release=True))).execution
    assert finished.state is ExecutionState.COMPLETED
    with pytest.raises(ExecutionFinishedError):
        await cancel(execution.id)
    assert await store.executions.get(execution.id) == finished


async def test_a_cancelled_one_stays_cancelled(store, make, cancel, started):
    execution = await started()
    await cancel(execution.id)
    end = make.event(E.WORKFLOW_CANCELLED, 2)
    await store.executions.append(Append(execution.id, 1, [end], release=True))
    again = await cancel(execution.id)
    assert again.duplicate
    assert again.execution.state is ExecutionState.CANCELLED


async def test_an_answer_that_comes_before_the_release_is_not_lost(store, make, started):
    execution = await started()
    await store.executions.append(Append(execution.id, 1, [make.waiting(2, "a")]))
    await store.executions.answer(execution.id, make.answer(), None)
    released = await store.executions.append(Append(execution.id, 1, [], release=True))
    assert released.ready
    assert not released.duplicate


async def test_an_answer_that_was_consumed_before_the_release(store, make, started):
    execution = await started()
    await store.executions.append(Append(execution.id, 1, [make.waiting(2, "a")]))
    await store.executions.answer(execution.id, make.answer(), None)
    events = [make.event(E.TASK_RESUMED, 3, source="a"), make.waiting(4, "b"), make.event(E.WORKFLOW_PAUSED, 5)]
    assert not (await store.executions.append(Append(execution.id, 1, events, release=True))).ready


async def test_a_cancel_request_that_comes_before_the_release_is_not_lost(store, make, cancel, started):
    execution = await started()
    await cancel(execution.id)
    released = await store.executions.append(Append(execution.id, 1, [make.waiting(2, "a")], release=True))
    assert released.ready
    claim = await store.executions.claim(execution.id, "bob")
    assert [event.type for event in claim.history][-2] is E.WORKFLOW_CANCELLING


async def test_what_the_owner_knew_does_not_make_it_ready_again(store, make, cancel, started):
    """A rollback may sleep while the execution is being cancelled: it must not go round in circles."""
    execution = await started()
    await cancel(execution.id)
    await store.executions.append(Append(execution.id, 1, [make.waiting(2, "a")], release=True))
    await store.executions.claim(execution.id, "bob")
    timer = make.waiting(1, "t", kind=WaitKind.TIMER, wake_in=60)
    assert not (await store.executions.append(Append(execution.id, 2, [timer], release=True))).ready


async def test_a_timer_that_ended_before_the_release(store, make, clock, started):
    execution = await started()
    timer = make.waiting(2, "t", kind=WaitKind.TIMER, wake_in=1)
    await store.executions.append(Append(execution.id, 1, [timer]))
    clock.advance(2)
    assert (await store.executions.append(Append(execution.id, 1, [], release=True))).ready


async def test_a_local_run_that_pauses_stays_with_its_process(store, make):
    claim = await store.executions.create_owned(make.execution(), "local:here:1", [make.event(E.WORKFLOW_STARTED, 1)])
    events = [make.waiting(2, "a"), make.event(E.WORKFLOW_PAUSED, 3)]
    released = await store.executions.append(Append(claim.execution.id, 1, events, release=True))
    assert released.execution.owner == "local:here:1"
    assert await store.executions.held() == []
    appended, _ = await store.executions.answer(claim.execution.id, make.answer(), None)
    assert appended.ready
    assert await store.executions.ready() == []


async def test_nothing_is_taken_behind_an_end(store, make, started):
    execution = await started()
    events = [make.event(E.WORKFLOW_COMPLETED, 2, payload=b"7"), make.event(E.TASK_COMPLETED, 3, source="late")]
    for duplicate in (False, True):
        ended = await store.executions.append(Append(execution.id, 1, events, release=True))
        assert (ended.execution.state, ended.duplicate) == (ExecutionState.COMPLETED, duplicate)
        assert [event.type for event in await store.executions.history(execution.id)][-1] is E.WORKFLOW_COMPLETED


async def test_a_timer_that_was_due_at_the_claim_does_not_make_it_ready_at_once(store, make, clock, paused):
    """Replay may not reach it: the execution would go round in circles."""
    execution = await paused(make.waiting(2, "t", kind=WaitKind.TIMER, wake_in=5))
    clock.advance(6)
    await store.waits.wake(clock.now())
    await store.executions.claim(execution.id, "bob")
    released = await store.executions.append(Append(execution.id, 2, [], release=True))
    assert not released.ready
    assert await store.waits.wake(clock.now()) == []
    assert await store.waits.next_wake() == clock.now() + WAKE_AGAIN
    (wait,) = await store.waits.pending(execution.id)
    assert wait.wake_at == clock.now() - 1_000_000


async def test_it_is_tried_again_ever_more_rarely(store, make, clock, paused):
    """The clock of the worker may be late."""
    execution = await paused(make.waiting(2, "t", kind=WaitKind.TIMER, wake_in=5))
    clock.advance(5)
    delays = []
    for generation in range(2, 8):
        await store.waits.wake(clock.now())
        await store.executions.claim(execution.id, "bob")
        await store.executions.append(Append(execution.id, generation, [], release=True))
        delays.append((await store.waits.next_wake() - clock.now()) // 1_000_000)
        clock.advance(delays[-1])
    assert delays == [10, 10, 20, 40, 80, 160]


async def test_a_timer_that_ends_after_the_claim_wakes_it_beside_an_older_one(store, make, clock, paused):
    execution = await paused(make.waiting(2, "old", kind=WaitKind.TIMER, wake_in=5))
    clock.advance(6)
    await store.waits.wake(clock.now())
    await store.executions.claim(execution.id, "bob")
    new = make.waiting(1, "new", kind=WaitKind.TIMER, wake_in=1)
    await store.executions.append(Append(execution.id, 2, [new]))
    clock.advance(2)
    assert (await store.executions.append(Append(execution.id, 2, [], release=True))).ready
    await store.executions.claim(execution.id, "bob")
    later = make.waiting(1, "later", kind=WaitKind.TIMER, wake_in=3)
    assert not (await store.executions.append(Append(execution.id, 3, [later], release=True))).ready
    clock.advance(3)
    assert [one.id for one in await store.waits.wake(clock.now())] == [execution.id]
