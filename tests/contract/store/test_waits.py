"""The life of a wait: opened, answered, consumed, refused, timed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flux.codec import Payload
from flux.domain import ExecutionEventType as E
from flux.domain import ExecutionState, WaitKind
from flux.errors import (
    ExecutionCancellingError,
    ExecutionFinishedError,
    NotPausedError,
    WaitAmbiguousError,
    WaitAnsweredError,
    WaitNotFoundError,
)
from flux.store import Append


async def test_a_pause_opens_a_wait_and_shows_its_output(store, clock, paused):
    execution = await paused()
    assert execution.state is ExecutionState.PAUSED
    assert execution.owner == ""
    assert execution.output == Payload(b'"which?"')

    (wait,) = await store.waits.pending(execution.id)
    assert (wait.execution_id, wait.ref) == (execution.id, execution.ref)
    assert (wait.id, wait.name, wait.kind) == ("call-approval", "approval", WaitKind.INPUT)
    assert wait.opened_at == clock.now()
    assert wait.output == Payload(b'"which?"')
    assert wait.schema == '{"type":"string"}'
    assert not wait.answered
    assert await store.waits.open() == [wait]
    assert await store.waits.get(execution.id, "approval") == wait
    assert await store.waits.get(execution.id, "call-approval") == wait


async def test_an_answer_makes_it_ready_and_its_consumption_closes_the_wait(store, make, paused):
    execution = await paused()

    appended, wait = await store.executions.answer(execution.id, make.answer(), None)

    assert wait.answered
    assert appended.ready
    assert appended.execution.state is ExecutionState.RESUMING
    assert appended.events[0].wait_id == "call-approval"
    assert [one.answered for one in await store.waits.pending(execution.id)] == [True]
    assert [one.id for one in await store.executions.ready()] == [execution.id]

    claim = await store.executions.claim(execution.id, "bob", [make.event(E.WORKFLOW_RESUME_SCHEDULED)])
    assert claim.history[-2].wait_id == "call-approval"
    events = [make.event(E.WORKFLOW_RESUMED, 1), make.event(E.TASK_RESUMED, 2, source="call-approval")]
    resumed = await store.executions.append(Append(execution.id, 2, events))
    assert await store.waits.pending(execution.id) == []
    assert resumed.execution.output is None


@pytest.mark.parametrize("wait", [None, "approval", "call-approval"])
async def test_an_answer_is_taken_once(store, make, paused, wait):
    execution = await paused()
    await store.executions.answer(execution.id, make.answer(), wait)
    with pytest.raises(WaitAnsweredError):
        await store.executions.answer(execution.id, make.answer(), wait)


async def test_a_consumed_answer_is_still_known(store, make, paused):
    execution = await paused()
    await store.executions.answer(execution.id, make.answer(), None)
    await store.executions.claim(execution.id, "bob")
    await store.executions.append(Append(execution.id, 2, [make.event(E.TASK_RESUMED, 1, source="call-approval")]))
    with pytest.raises(WaitAnsweredError):
        await store.executions.answer(execution.id, make.answer(), "call-approval")
    with pytest.raises(NotPausedError):
        await store.executions.answer(execution.id, make.answer(), None)


async def test_a_refused_answer_reopens_the_wait(store, make, clock, paused):
    execution = await paused()
    opened_at = clock.now()
    await store.executions.answer(execution.id, make.answer(), None)
    await store.executions.claim(execution.id, "bob")
    clock.advance(5)
    again = make.waiting(1, "call-approval", "approval")
    await store.executions.append(Append(execution.id, 2, [again], release=True))

    (wait,) = await store.waits.pending(execution.id)
    assert not wait.answered
    assert wait.opened_at == opened_at
    await store.executions.answer(execution.id, make.answer(), None)


async def test_several_open_waits_are_ambiguous(store, make, started):
    execution = await started()
    events = [make.waiting(2, "call-a", "legal"), make.waiting(3, "call-b", "finance")]
    await store.executions.append(Append(execution.id, 1, events, release=True))

    with pytest.raises(WaitAmbiguousError) as caught:
        await store.executions.answer(execution.id, make.answer(), None)
    assert [wait["name"] for wait in caught.value.waits] == ["legal", "finance"]
    with pytest.raises(WaitNotFoundError):
        await store.executions.answer(execution.id, make.answer(), "marketing")

    await store.executions.answer(execution.id, make.answer(), "finance")
    _, wait = await store.executions.answer(execution.id, make.answer(), None)
    assert wait.name == "legal"


async def test_two_waits_of_one_name(store, make, started):
    execution = await started()
    events = [make.waiting(2, "call-a", "approval"), make.waiting(3, "call-b", "approval")]
    await store.executions.append(Append(execution.id, 1, events, release=True))
    with pytest.raises(WaitAmbiguousError):
        await store.executions.answer(execution.id, make.answer(), "approval")
    with pytest.raises(WaitAmbiguousError):
        await store.waits.get(execution.id, "approval")
    await store.executions.answer(execution.id, make.answer(), "call-a")
    _, wait = await store.executions.answer(execution.id, make.answer(), "approval")
    assert wait.id == "call-b"


async def test_a_wait_can_be_answered_while_the_rest_still_runs(store, make, started):
    execution = await started()
    await store.executions.append(Append(execution.id, 1, [make.waiting(2, "call-a")]))
    appended, _ = await store.executions.answer(execution.id, make.answer(), None)
    assert not appended.ready
    assert appended.execution.owner == "ada"
    assert appended.execution.state is ExecutionState.RUNNING


async def test_only_what_waits_for_an_answer_takes_one(store, make, started):
    execution = await started()
    with pytest.raises(NotPausedError):
        await store.executions.answer(execution.id, make.answer(), None)
    timer = make.waiting(2, "call-t", "sleep", WaitKind.TIMER, wake_in=60)
    await store.executions.append(Append(execution.id, 1, [timer]))
    with pytest.raises(NotPausedError):
        await store.executions.answer(execution.id, make.answer(), None)
    with pytest.raises(NotPausedError, match="timer"):
        await store.executions.answer(execution.id, make.answer(), "sleep")

    await store.executions.append(Append(execution.id, 1, [make.waiting(3, "call-c", "child", WaitKind.CHILD)]))
    with pytest.raises(NotPausedError, match="child"):
        await store.executions.answer(execution.id, make.answer(), "call-c")

    await store.executions.cancel(execution.id, [make.event(E.WORKFLOW_CANCELLING)])
    with pytest.raises(ExecutionCancellingError):
        await store.executions.answer(execution.id, make.answer(), None)
    await store.executions.append(Append(execution.id, 1, [make.event(E.WORKFLOW_CANCELLED, 4)], release=True))
    with pytest.raises(ExecutionFinishedError):
        await store.executions.answer(execution.id, make.answer(), None)


async def test_the_end_of_an_execution_closes_its_waits(store, make, started):
    execution = await started()
    events = [make.waiting(2, "a"), make.waiting(3, "b", kind=WaitKind.TIMER, wake_in=5)]
    await store.executions.append(Append(execution.id, 1, events))
    await store.executions.append(Append(execution.id, 1, [make.event(E.WORKFLOW_FAILED, 4, payload=b'"x"')]))
    assert await store.waits.pending(execution.id) == []
    assert (await store.executions.get(execution.id)).output == Payload(b'"x"')
    assert await store.waits.next_wake() is None


async def test_a_wait_that_opens_and_closes_in_one_batch(store, make, started):
    execution = await started()
    events = [make.waiting(2, "a"), make.event(E.TASK_COMPLETED, 3, source="a")]
    await store.executions.append(Append(execution.id, 1, events))
    assert await store.waits.pending(execution.id) == []


async def test_timers_wake_what_is_idle(store, make, clock, paused):
    sleeping = await paused(make.waiting(2, "call-t", "sleep", WaitKind.TIMER, wake_in=60))
    later = await paused(make.waiting(2, "call-t", "sleep", WaitKind.TIMER, wake_in=90))

    assert await store.waits.next_wake() == clock.now() + 60_000_000
    assert await store.waits.wake(clock.now()) == []
    clock.advance(60)
    assert await store.waits.due(clock.now()) == [sleeping.id]
    assert [one.id for one in await store.waits.wake(clock.now())] == [sleeping.id]
    assert [one.id for one in await store.executions.ready()] == [sleeping.id]
    assert await store.waits.wake(clock.now()) == []
    assert await store.waits.next_wake() == clock.now() + 30_000_000
    assert later.id not in await store.waits.due(clock.now())


async def test_the_timers_of_a_held_execution_are_its_owners(store, make, clock, started):
    execution = await started()
    timer = make.waiting(2, "t", kind=WaitKind.BACKOFF, wake_in=5)
    await store.executions.append(Append(execution.id, 1, [timer]))
    clock.advance(10)
    assert await store.waits.next_wake() is None
    assert await store.waits.wake(clock.now()) == []


async def test_a_divergence_parks_until_the_execution_moves(store, make, clock, started):
    execution = await started()
    events = [
        make.waiting(2, "t", "sleep", WaitKind.TIMER, wake_in=5),
        make.waiting(3, "diverged", "divergence", WaitKind.DIVERGENCE, output=b'"which line"'),
        make.event(E.WORKFLOW_PAUSED, 4),
    ]
    clock.advance(10)
    parked = await store.executions.append(Append(execution.id, 1, events, release=True))
    assert not parked.ready
    assert parked.execution.output == Payload(b'"which line"')
    assert await store.waits.next_wake() is None
    assert await store.waits.wake(clock.now()) == []
    with pytest.raises(NotPausedError, match="divergence"):
        await store.executions.answer(execution.id, make.answer(), "diverged")

    moved = await store.executions.append(Append(execution.id, 1, [make.event(E.WORKFLOW_MOVED)], digest="d2"))
    assert moved.ready
    assert moved.execution.digest == "d2"
    assert [wait.id for wait in await store.waits.pending(execution.id)] == ["t"]


async def test_a_paused_execution_shows_what_its_oldest_open_pause_shows(store, make, clock, started):
    execution = await started()
    shown = Payload(b"...", "dill", "builtins.range range(0, 3)")
    first = make.waiting(2, "a")
    first = replace(first, wait=replace(first.wait, output=shown))
    clock.advance(1)
    events = [first, make.waiting(3, "b", output=b'"b"'), make.event(E.WORKFLOW_PAUSED, 4, payload=b'{"name":"a"}')]
    paused = await store.executions.append(Append(execution.id, 1, events, release=True))
    assert paused.execution.output == shown
    await store.executions.answer(execution.id, make.answer(), "a")
    claimed = (await store.executions.claim(execution.id, "bob", [])).execution.generation
    events = [make.event(E.WORKFLOW_RESUMED, 1), make.event(E.TASK_RESUMED, 2, source="a")]
    again = [*events, make.event(E.WORKFLOW_PAUSED, 3, payload=b'{"name":"b"}')]
    assert (await store.executions.append(Append(execution.id, claimed, again, release=True))).execution.output == (
        Payload(b'"b"')
    )


async def test_a_pause_that_shows_nothing_shows_nothing(store, make, started):
    execution = await started()
    events = [make.waiting(2, "a"), make.event(E.WORKFLOW_PAUSED, 3, payload=b'{"name":"a","output":null}')]
    assert (await store.executions.append(Append(execution.id, 1, events, release=True))).execution.output is None


async def test_open_waits_of_everything_oldest_first(store, make, clock, paused):
    first = await paused()
    clock.advance(1)
    timer = await paused(make.waiting(2, "t", kind=WaitKind.TIMER, wake_in=60))
    clock.advance(1)
    last = await paused()
    assert [wait.execution_id for wait in await store.waits.open()] == [first.id, timer.id, last.id]
    assert [wait.execution_id for wait in await store.waits.open(limit=1)] == [first.id]
    assert [wait.execution_id for wait in await store.waits.open(human=True)] == [first.id, last.id]
    with pytest.raises(WaitNotFoundError):
        await store.waits.get(timer.id, "approval")
