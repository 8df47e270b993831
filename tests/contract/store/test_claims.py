"""Who may run an execution: claims, fences, the queue, lost owners."""

from __future__ import annotations

import asyncio

import pytest

from flux.domain import ExecutionEventType as E
from flux.domain import ExecutionState
from flux.errors import ConflictError, ExecutionContextNotFoundError, StaleClaimError
from flux.store import Append, Store


async def test_a_new_execution_is_ready_until_it_is_claimed(store, make):
    created = await store.executions.create(make.execution())
    assert created.state is ExecutionState.CREATED
    assert created == await store.executions.get(created.id)
    assert [one.id for one in await store.executions.ready()] == [created.id]

    claim = await store.executions.claim(created.id, "ada", [make.event(E.WORKFLOW_SCHEDULED)])

    assert claim.execution.generation == 1
    assert claim.execution.owner == "ada"
    assert claim.execution.state is ExecutionState.SCHEDULED
    assert [event.seq for event in claim.history] == [1]
    assert await store.executions.ready() == []
    assert [one.id for one in await store.executions.held()] == [created.id]
    assert [one.id for one in await store.executions.held("ada")] == [created.id]
    assert await store.executions.held("bob") == []


async def test_only_one_of_many_claims_wins(store, make):
    created = await store.executions.create(make.execution())

    outcomes = await asyncio.gather(
        *(store.executions.claim(created.id, f"worker-{n}") for n in range(8)), return_exceptions=True
    )

    won = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert len(won) == 1
    assert all(isinstance(outcome, StaleClaimError) for outcome in outcomes if outcome not in won)
    assert (await store.executions.get(created.id)).generation == 1


async def test_creating_and_claiming_share_one_transaction(store, make):
    new = make.execution()
    before = store.committer.flushes
    await asyncio.gather(store.executions.create(new), store.executions.claim(new.id, "ada"))
    assert store.committer.flushes == before + 1


async def test_a_stale_owner_is_refused_and_changes_nothing(store, make, started):
    execution = await started()
    await store.executions.requeue([(execution.id, 1)])
    await store.executions.claim(execution.id, "bob")

    with pytest.raises(StaleClaimError):
        await store.executions.append(Append(execution.id, 1, [make.event(E.TASK_COMPLETED, 2)]))

    assert [event.type for event in await store.executions.history(execution.id)][-1] is E.WORKFLOW_STARTED


async def test_an_owner_that_has_let_go_is_refused(store, make, paused):
    execution = await paused()
    with pytest.raises(StaleClaimError):
        await store.executions.append(Append(execution.id, 1, [make.event(E.TASK_COMPLETED, 4)]))


async def test_a_claim_brings_the_whole_history(store, make, started):
    execution = await started()
    many = [make.event(E.TASK_COMPLETED, n, source=f"call-{n}", payload=b"%d" % n) for n in range(2, 400)]
    await store.executions.append(Append(execution.id, 1, many))
    await store.executions.requeue([(execution.id, 1)])

    claim = await store.executions.claim(execution.id, "bob", [make.event(E.WORKFLOW_CLAIMED)])

    assert [event.seq for event in claim.history] == list(range(1, claim.execution.last_seq + 1))
    assert claim.history[-1].type is E.WORKFLOW_CLAIMED
    assert list(claim.history) == list(await store.executions.history(execution.id))


async def test_requeue_takes_from_lost_owners_only(store, started):
    lost, gone_on = await started(), await started()
    await store.executions.requeue([(gone_on.id, 1)])
    await store.executions.claim(gone_on.id, "bob")

    requeued = await store.executions.requeue([(lost.id, 1), (gone_on.id, 1), ("unknown", 1)])

    assert [one.id for one in requeued] == [lost.id]
    assert requeued[0].generation == 2
    assert requeued[0].owner == ""
    assert (await store.executions.get(gone_on.id)).owner == "bob"


async def test_a_requeued_execution_waits_for_its_time(store, clock, started):
    execution = await started()
    later = clock.now() + 2_000_000
    await store.executions.requeue([(execution.id, 1)], not_before=later)

    assert await store.executions.ready() == []
    assert await store.waits.next_wake() == later
    clock.advance(2)
    assert [one.id for one in await store.executions.ready()] == [execution.id]
    assert await store.waits.next_wake() is None


async def test_the_queue_is_served_in_order(store, make, clock):
    ids = []
    for _ in range(5):
        ids.append((await store.executions.create(make.execution())).id)
        clock.advance(1)
    assert [one.id for one in await store.executions.ready(3)] == ids[:3]


async def test_deaths_are_counted_for_the_current_owner_only(store, started):
    execution = await started()
    assert await store.executions.crashed(execution.id, 1) == 1
    await store.executions.requeue([(execution.id, 1)])
    with pytest.raises(StaleClaimError):
        await store.executions.crashed(execution.id, 1)
    claim = await store.executions.claim(execution.id, "bob")
    assert await store.executions.crashed(execution.id, claim.execution.generation) == 2


async def test_the_same_idempotency_key_gives_the_earlier_execution(store, make):
    first = await store.executions.create(make.execution(), "key-1")
    again, other = await asyncio.gather(
        store.executions.create(make.execution(), "key-1"), store.executions.create(make.execution(), "key-2")
    )
    assert again.id == first.id
    assert other.id not in (first.id, again.id)
    assert (await store.executions.list()).total == 2


async def test_an_id_is_taken_once(store, make):
    new = make.execution()
    await store.executions.create(new)
    with pytest.raises(ConflictError):
        await store.executions.create(new)
    with pytest.raises(ConflictError):
        await store.executions.create_owned(new, "local:here:1")


async def test_unknown_executions(store, make):
    for call in (
        store.executions.get("nope"),
        store.executions.claim("nope", "ada"),
        store.executions.append(Append("nope", 1, [make.event(E.TASK_COMPLETED, 1)])),
        store.executions.answer("nope", make.answer(), None),
        store.executions.cancel("nope", [make.event(E.WORKFLOW_CANCELLING)]),
    ):
        with pytest.raises(ExecutionContextNotFoundError):
            await call
    assert await store.executions.history("nope") == []
    assert await store.waits.pending("nope") == []


async def test_a_local_run_is_owned_from_the_first_moment_and_never_handed_out(store, make):
    claim = await store.executions.create_owned(make.execution(), "local:here:1", [make.event(E.WORKFLOW_STARTED, 1)])
    assert claim.execution.generation == 1
    assert claim.execution.state is ExecutionState.RUNNING
    assert len(claim.history) == 1

    (requeued,) = await store.executions.requeue([(claim.execution.id, 1)])
    assert requeued.owner == "local:here:1"
    assert await store.executions.ready() == []
    assert (await store.executions.claim(requeued.id, "local:here:2")).execution.owner == "local:here:2"


async def test_a_local_owner_may_take_what_is_idle(store, paused):
    execution = await paused()
    with pytest.raises(StaleClaimError, match="it is idle"):
        await store.executions.claim(execution.id, "bob")
    assert (await store.executions.claim(execution.id, "local:here:1")).execution.generation == 2
    with pytest.raises(StaleClaimError, match="held by local:here:1"):
        await store.executions.claim(execution.id, "local:here:2")


async def test_two_processes_race_for_a_claim(tmp_path, clock, make):
    url = f"sqlite:///{tmp_path}/flux.db"
    one, two = await Store.open(url, clock=clock), await Store.open(url, clock=clock)
    try:
        for _ in range(20):
            created = await one.executions.create(make.execution())
            outcomes = await asyncio.gather(
                one.executions.claim(created.id, "one"),
                two.executions.claim(created.id, "two"),
                return_exceptions=True,
            )
            assert sum(isinstance(outcome, StaleClaimError) for outcome in outcomes) == 1
    finally:
        await one.close()
        await two.close()


async def test_a_stale_owner_in_another_process_is_refused(tmp_path, clock, make):
    url = f"sqlite:///{tmp_path}/flux.db"
    one, two = await Store.open(url, clock=clock), await Store.open(url, clock=clock)
    try:
        new = make.execution()
        await one.executions.create(new)
        await one.executions.claim(new.id, "one")
        await one.executions.append(Append(new.id, 1, [make.event(E.WORKFLOW_STARTED, 1)]))
        await two.executions.requeue([(new.id, 1)])
        with pytest.raises(StaleClaimError):
            await one.executions.append(Append(new.id, 1, [make.event(E.TASK_COMPLETED, 2)]))
        await two.executions.claim(new.id, "two")
        with pytest.raises(StaleClaimError):
            await one.executions.append(Append(new.id, 1, [make.event(E.TASK_COMPLETED, 2)]))
        appended = await two.executions.append(Append(new.id, 3, [make.event(E.TASK_COMPLETED, 1)]))
        assert [event.seq for event in appended.events] == [2]
        assert [event.seq for event in await one.executions.history(new.id)] == [1, 2]
    finally:
        await one.close()
        await two.close()


async def test_an_owner_goes_on_behind_what_another_process_has_recorded(tmp_path, clock, make):
    url = f"sqlite:///{tmp_path}/flux.db"
    one, two = await Store.open(url, clock=clock), await Store.open(url, clock=clock)
    try:
        new = make.execution()
        await one.executions.create(new)
        await one.executions.claim(new.id, "one")
        await one.executions.append(Append(new.id, 1, [make.event(E.WORKFLOW_STARTED, 1)]))
        await two.executions.cancel(new.id, [make.event(E.WORKFLOW_CANCELLING)])
        appended = await one.executions.append(Append(new.id, 1, [make.event(E.TASK_COMPLETED, 2)]))
        assert appended.execution.state is ExecutionState.CANCELLING
        await two.executions.append(Append(new.id, 1, [make.event(E.WORKFLOW_MOVED)], version=2))
        released = await one.executions.append(Append(new.id, 1, [make.event(E.TASK_STARTED, 3)], release=True))
        assert (released.execution.version, released.ready) == (2, True)
        types = [E.WORKFLOW_STARTED, E.WORKFLOW_CANCELLING, E.TASK_COMPLETED, E.WORKFLOW_MOVED, E.TASK_STARTED]
        assert [(event.seq, event.type) for event in await two.executions.history(new.id)] == [*enumerate(types, 1)]
    finally:
        await one.close()
        await two.close()
