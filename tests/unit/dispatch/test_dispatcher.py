import asyncio

import pytest

from flux.dispatch.bus import Committed
from flux.dispatch.port import Answered, Assigned, RunnerDied
from flux.domain import Child, Execution, ExecutionEventType, ExecutionState, Wait, WaitKind
from flux.errors import ConflictError, StaleClaimError
from flux.store import Append, Change

E = ExecutionEventType


async def test_a_new_execution_is_claimed_for_a_free_worker_in_one_commit(world, ref):
    connection = world.join()
    flushes = world.store.committer.flushes
    execution = await world.executions.start(ref, "Joe")
    assert world.store.committer.flushes == flushes + 1
    assert (execution.state, execution.owner) == (ExecutionState.CLAIMED, "w1")
    assert await world.assigned(connection) == execution.id
    claim = await world.dispatcher.claim("w1", execution.id)
    assert [(event.type, event.source_id) for event in claim.history] == [
        (E.WORKFLOW_SCHEDULED, "w1"),
        (E.WORKFLOW_CLAIMED, "w1"),
    ]


async def test_without_a_worker_it_waits_until_one_comes(world, ref):
    execution = await world.executions.start(ref, None)
    assert execution.state is ExecutionState.CREATED
    connection = world.join()
    assert await world.dispatcher.match() == 1
    assert await world.assigned(connection) == execution.id


async def test_slots_bound_what_a_worker_gets_and_releases_hand_out_more(world, ref):
    connection = world.join(slots=2)
    started = [await world.executions.start(ref, number) for number in range(5)]
    assert [one.state for one in started].count(ExecutionState.CLAIMED) == 2
    assert await world.dispatcher.match() == 0
    claim = await world.dispatcher.claim("w1", started[0].id)
    await world.write("w1", claim, world.event(E.WORKFLOW_COMPLETED, claim), release=True)
    assert await world.dispatcher.match() == 1
    given = [delivery.execution_id for delivery in await connection.batch(5)]
    assert given == [one.id for one in started[:3]]


async def test_new_starts_do_not_overtake_the_queue(world, ref):
    waiting = await world.executions.start(ref, 1)
    connection = world.join(slots=1)
    late = await world.executions.start(ref, 2)
    assert late.state is ExecutionState.CREATED
    await world.dispatcher.match()
    assert await world.assigned(connection) == waiting.id


async def test_many_ready_executions_are_matched_in_pages(world, ref):
    for number in range(150):
        await world.executions.start(ref, number)
    connection = world.join(slots=1000)
    assert await world.dispatcher.match() == 150
    assert len(await connection.batch(5)) == 150


async def test_what_nobody_can_run_does_not_block_the_rest(world, ref):
    from flux.domain import WorkflowRef

    await world.publish("big", options={"requests": {"gpu": 1}})
    connection = world.join()
    world.presence.get("w1").registration.resources["gpus"] = 0
    for number in range(120):
        await world.executions.start(WorkflowRef("default", "big"), number)
    small = await world.executions.start(ref, None)
    assert small.state is ExecutionState.CREATED
    assert await world.dispatcher.match() == 1
    assert await world.assigned(connection) == small.id


async def test_idempotency_key_gives_the_earlier_execution(world, ref):
    world.join()
    first = await world.executions.start(ref, 1, idempotency_key="k")
    again = await world.executions.start(ref, 2, idempotency_key="k")
    assert again.id == first.id
    assert world.presence.get("w1").free == 9


async def test_a_claim_is_given_again_until_the_worker_has_shown_that_it_has_it(world, ref):
    world.join()
    execution = await world.executions.start(ref, None)
    first = await world.dispatcher.claim("w1", execution.id)
    again = await world.dispatcher.claim("w1", execution.id)
    assert first == again
    await world.write("w1", first, world.event(E.WORKFLOW_STARTED, first))
    with pytest.raises(StaleClaimError):
        await world.dispatcher.claim("w1", execution.id)


async def test_nobody_else_can_claim_it(world, ref):
    world.join("w1")
    execution = await world.executions.start(ref, None)
    world.join("w2")
    with pytest.raises(StaleClaimError):
        await world.dispatcher.claim("w2", execution.id)


async def test_assignments_that_were_not_fetched_come_again_after_a_reconnect(world, ref):
    connection = world.join()
    execution = await world.executions.start(ref, None)
    await connection.batch(5)
    connection = world.presence.connect("w1")
    assert await connection.batch(5) == [Assigned(execution.id, "digest-hello")]


async def test_lost_worker_gives_back_what_it_held(world, ref, clock):
    world.join("w1")
    execution = await world.executions.start(ref, None)
    claim = await world.dispatcher.claim("w1", execution.id)
    other = world.join("w2")
    clock.advance(14)
    world.presence.seen("w2", [])
    clock.advance(2)
    await world.dispatcher.drop_expired()
    assert [worker.name for worker in world.presence.all()] == ["w2"]
    await world.dispatcher.match()
    assert await world.assigned(other) == execution.id
    with pytest.raises(StaleClaimError):
        await world.write("w1", claim, world.event(E.WORKFLOW_STARTED, claim))


async def test_claims_lost_on_the_way_are_requeued_by_heartbeats(world, ref, clock):
    connection = world.join()
    execution = await world.executions.start(ref, None)
    await connection.batch(5)
    clock.advance(5)
    assert world.presence.seen("w1", []) == []
    clock.advance(6)
    lost = world.presence.seen("w1", [])
    assert [one.id for one in lost] == [execution.id]
    await world.dispatcher.requeue((one.id, one.generation) for one in lost)
    assert await world.dispatcher.match() == 1
    assert await world.assigned(connection) == execution.id


async def test_sweep_requeues_claims_of_owners_that_never_return(world, ref):
    execution = await world.executions.start(ref, None)
    await world.store.executions.claim(execution.id, "gone", ())
    connection = world.join()
    await world.dispatcher.sweep()
    assert await world.dispatcher.match() == 0
    await world.dispatcher.sweep()
    assert await world.dispatcher.match() == 1
    assert await world.assigned(connection) == execution.id


async def test_sweep_leaves_local_runs_alone(world, ref):
    execution = await world.executions.start(ref, None)
    await world.store.executions.claim(execution.id, "local:host:1", ())
    for _ in range(3):
        await world.dispatcher.sweep()
    assert (await world.store.executions.get(execution.id)).owner == "local:host:1"


async def test_sweep_publishes_commits_that_nobody_published(world, ref):
    execution = await world.executions.start(ref, None)
    await world.store.executions.claim(execution.id, "x", (world.recorder.claiming(execution, "x")))
    with world.bus.subscribe() as subscription:
        await world.dispatcher.catch_up()
        messages = await subscription.batch(timeout=0)
        assert [message.events[0].type for message in messages] == [E.WORKFLOW_SCHEDULED, E.WORKFLOW_CLAIMED]
        assert all(isinstance(message, Committed) for message in messages)
        await world.dispatcher.catch_up()
        assert await subscription.batch(timeout=0) == []


async def test_background_loop_matches_when_poked(world, ref):
    running = asyncio.create_task(world.dispatcher.run())
    connection = world.join()
    try:
        world.dispatcher.poke()
        execution = await world.executions.start(ref, None)
        assert await world.assigned(connection) == execution.id
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class TestDeaths:
    async def die(self, world, execution_id: str, alone: bool, reason: str = "exit code 139"):
        execution = await world.store.executions.get(execution_id)
        await world.crashes.died("w1", RunnerDied((execution_id,), (execution.generation,), reason, alone))

    async def test_in_company_it_is_requeued_without_counting(self, world, ref):
        connection = world.join()
        execution = await world.executions.start(ref, None)
        for _ in range(6):
            assert await world.assigned(connection) == execution.id
            await self.die(world, execution.id, alone=False)
            await world.dispatcher.match()
        assert (await world.store.executions.get(execution.id)).state is not ExecutionState.FAILED

    async def test_alone_it_backs_off_and_fails_in_the_end(self, world, ref, clock):
        connection = world.join()
        reminders: list[int] = []
        world.dispatcher.remind = reminders.append
        execution = await world.executions.start(ref, None)
        for delay in (1, 2, 4):
            assert await world.assigned(connection) == execution.id
            await self.die(world, execution.id, alone=True)
            assert reminders[-1] == clock.now() + delay * 1_000_000
            assert await world.dispatcher.match() == 0
            clock.advance(delay)
            assert await world.dispatcher.match() == 1
        await self.die(world, execution.id, alone=True)
        failed = await world.store.executions.get(execution.id)
        assert failed.state is ExecutionState.FAILED
        error = world.codec.decode(failed.output)
        assert type(error).__name__ == "WorkerProcessCrashed"
        assert "exit code 139" in str(error)

    async def test_a_report_about_an_older_claim_changes_nothing(self, world, ref):
        connection = world.join()
        execution = await world.executions.start(ref, None)
        await world.assigned(connection)
        await world.crashes.died("w1", RunnerDied((execution.id,), (0,), "old", True))
        assert (await world.store.executions.get(execution.id)).owner == "w1"
        assert world.presence.get("w1").free == 9


async def test_a_cancelled_request_keeps_no_slot_and_loses_no_run(world, ref):
    connection = world.join(slots=2)
    starting = asyncio.ensure_future(world.executions.start(ref, None))
    while not world.presence.get("w1").reserved:
        await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    (delivery,) = await connection.batch(5)
    worker = world.presence.get("w1")
    assert (worker.reserved, list(worker.assigned)) == (0, [delivery.execution_id])
    assert (await world.executions.get(delivery.execution_id)).state is ExecutionState.CLAIMED


async def test_a_run_that_cannot_be_stored_keeps_no_slot(world, ref):
    world.join()
    known = await world.executions.start(ref, None)
    with pytest.raises(ConflictError):
        await world.dispatcher.submit(known)
    assert world.presence.get("w1").reserved == 0


async def test_what_a_commit_did_to_others_is_published_and_offered(world, ref):
    connection = world.join()
    await world.executions.start(ref, 1)
    parent = await world.dispatcher.claim("w1", await world.assigned(connection))
    child = Child("c1", ref)
    wait = Wait("call-1", "call", WaitKind.CHILD, child=child)
    opened = world.event(E.TASK_WAITING, parent, "call-1", "2", wait=wait)
    with world.bus.subscribe() as subscription:
        append = Append(parent.execution.id, parent.execution.generation, (opened,))
        world.dispatcher.announce((await world.store.executions.append(append)).others)
        messages = await subscription.batch(5)
        assert ("c1", ()) in [(one.execution.id, one.events) for one in messages if isinstance(one, Committed)]
    claim = await world.dispatcher.claim("w1", await world.assigned(connection))
    assert claim.execution.id == "c1"
    done = world.event(E.WORKFLOW_COMPLETED, claim, value="3")
    append = Append("c1", claim.execution.generation, (done,), release=True)
    world.dispatcher.announce((await world.store.executions.append(append)).others)
    (told,) = await connection.batch(5)
    assert isinstance(told, Answered)
    assert (told.execution_id, told.event.type) == (parent.execution.id, E.TASK_CHILD_COMPLETED)


async def test_local_executions_are_never_offered(world, ref):
    connection = world.join()
    execution = Execution("e9", ref, ExecutionState.CREATED, owner="local:h:1")
    created = await world.store.executions.create(execution)
    world.dispatcher.announce([Change(created, ready=True)])
    await world.dispatcher.match()
    assert await connection.batch(0.01) == []
