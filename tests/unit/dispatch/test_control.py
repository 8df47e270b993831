import asyncio
import json

import pytest

from flux.codec import to_plain
from flux.dispatch.port import Answered, CancelRequested, ValidationRequested, ValidationResult
from flux.dispatch.records import is_finished
from flux.domain import Execution, ExecutionEventType, ExecutionState
from flux.errors import (
    ConflictError,
    ExecutionContextNotFoundError,
    ExecutionFinishedError,
    InvalidInputError,
    NotPausedError,
    WorkflowNotFoundError,
)

E = ExecutionEventType
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


async def claimed(world, ref, value=None):
    connection = world.join()
    execution = await world.executions.start(ref, value)
    await connection.batch(5)
    return connection, await world.dispatcher.claim("w1", execution.id)


async def test_unknown_workflow(world, ref):
    from flux.domain import WorkflowRef

    with pytest.raises(WorkflowNotFoundError):
        await world.executions.start(WorkflowRef("default", "nope"), None)


async def test_settled_waits_for_the_end(world, ref):
    _, claim = await claimed(world, ref)
    waiting = asyncio.ensure_future(world.executions.settled(claim.execution))
    await asyncio.sleep(0)
    await world.write("w1", claim, world.event(E.WORKFLOW_STARTED, claim))
    assert not waiting.done()
    await world.write("w1", claim, world.event(E.WORKFLOW_COMPLETED, claim, value='"Hi"'), release=True)
    done = await waiting
    assert (done.state, to_plain(done.output)) == (ExecutionState.COMPLETED, "Hi")
    assert (await world.executions.wait_until_settled(done.id)).state is ExecutionState.COMPLETED


async def test_settled_returns_on_a_pause(world, ref):
    _, claim = await claimed(world, ref)
    waiting = asyncio.ensure_future(world.executions.settled(claim.execution))
    await asyncio.sleep(0)
    await world.pause("w1", claim)
    assert (await waiting).state is ExecutionState.PAUSED


async def test_an_answer_makes_a_paused_execution_run_again(world, ref):
    connection, claim = await claimed(world, ref)
    await world.pause("w1", claim)
    resumed = await world.executions.resume(claim.execution.id, {"ok": True})
    assert resumed.state is ExecutionState.RESUMING
    assert await world.assigned(connection) == resumed.id
    again = await world.dispatcher.claim("w1", resumed.id)
    assert [event.type for event in again.history[-3:]] == [
        E.WORKFLOW_RESUMING,
        E.WORKFLOW_RESUME_SCHEDULED,
        E.WORKFLOW_RESUME_CLAIMED,
    ]
    assert to_plain(again.history[-3].payload) == {"ok": True}


async def test_an_answer_to_a_held_execution_is_delivered_to_its_owner(world, ref):
    from flux.domain import Wait, WaitKind

    connection, claim = await claimed(world, ref)
    wait = Wait("a-1", "a", WaitKind.INPUT)
    await world.write("w1", claim, world.event(E.TASK_PAUSED, claim, "a-1", wait=wait))
    await world.executions.resume(claim.execution.id, 1, wait="a")
    (delivery,) = await connection.batch(5)
    assert isinstance(delivery, Answered)
    assert (delivery.event.wait_id, delivery.event.seq) == ("a-1", 4)


async def test_an_answer_nobody_waits_for_is_refused(world, ref):
    _, claim = await claimed(world, ref)
    with pytest.raises(NotPausedError):
        await world.executions.resume(claim.execution.id, 1)
    with pytest.raises(ExecutionContextNotFoundError):
        await world.executions.resume("nope", 1)


async def test_ref_must_match(world, ref):
    from flux.domain import WorkflowRef

    _, claim = await claimed(world, ref)
    with pytest.raises(ExecutionContextNotFoundError):
        await world.executions.cancel(claim.execution.id, ref=WorkflowRef("default", "other"))


class TestValidation:
    async def test_input_is_checked_by_a_worker(self, world):
        from flux.domain import WorkflowRef

        await world.publish("typed", input_schema=SCHEMA)
        connection = world.join()
        starting = asyncio.ensure_future(world.executions.start(WorkflowRef("default", "typed"), {"n": "7"}))
        (asked,) = await connection.batch(5)
        assert isinstance(asked, ValidationRequested)
        assert (asked.kind, asked.name, to_plain(asked.value)) == ("input", "typed", {"n": "7"})
        error = {"loc": ["n"], "msg": "must be lucky", "type": "value_error"}
        world.questions.answer(asked.request_id, ValidationResult(asked.request_id, (error,)))
        with pytest.raises(InvalidInputError) as caught:
            await starting
        assert caught.value.errors == [error]
        assert (await world.store.executions.list()).total == 0

    async def test_the_worker_decides_even_where_the_schema_would_not_agree(self, world):
        from flux.domain import WorkflowRef

        await world.publish("typed", input_schema=SCHEMA)
        connection = world.join()
        starting = asyncio.ensure_future(world.executions.start(WorkflowRef("default", "typed"), {"n": "7"}))
        (asked,) = await connection.batch(5)
        world.questions.answer(asked.request_id, ValidationResult(asked.request_id))
        assert (await starting).state is ExecutionState.CLAIMED

    async def test_without_a_worker_the_schema_decides(self, world):
        from flux.domain import WorkflowRef

        await world.publish("typed", input_schema=SCHEMA)
        with pytest.raises(InvalidInputError) as caught:
            await world.executions.start(WorkflowRef("default", "typed"), {"n": "7"})
        assert [error["loc"] for error in caught.value.errors] == [["n"]]
        assert (await world.executions.start(WorkflowRef("default", "typed"), {"n": 7})).state is ExecutionState.CREATED

    async def test_a_wrong_answer_leaves_the_execution_paused(self, world, ref):
        _, claim = await claimed(world, ref)
        await world.pause("w1", claim, schema=json.dumps(SCHEMA))
        with pytest.raises(InvalidInputError):
            await world.executions.resume(claim.execution.id, {"n": None})
        assert (await world.executions.get(claim.execution.id)).state is ExecutionState.PAUSED
        assert (await world.executions.resume(claim.execution.id, {"n": 1})).state is ExecutionState.RESUMING

    async def test_answers_to_a_model_are_checked_by_a_worker(self, world, ref):
        connection, claim = await claimed(world, ref)
        await world.pause("w1", claim, schema=json.dumps(SCHEMA), model="hello:Approval")
        resuming = asyncio.ensure_future(world.executions.resume(claim.execution.id, {"n": 1}))
        (asked,) = await connection.batch(5)
        assert (asked.kind, asked.model, json.loads(asked.schema)) == ("answer", "hello:Approval", SCHEMA)
        world.questions.answer(asked.request_id, ValidationResult(asked.request_id))
        assert (await resuming).state is ExecutionState.RESUMING


class TestCancel:
    async def test_what_has_not_begun_is_cancelled_at_once(self, world, ref):
        execution = await world.executions.start(ref, None)
        cancelled = await world.executions.cancel(execution.id)
        assert cancelled.state is ExecutionState.CANCELLED
        again = await world.executions.cancel(execution.id)
        assert (again.state, again.last_seq) == (ExecutionState.CANCELLED, cancelled.last_seq)

    async def test_a_running_one_is_asked_through_its_owner(self, world, ref):
        connection, claim = await claimed(world, ref)
        await world.write("w1", claim, world.event(E.WORKFLOW_STARTED, claim))
        assert (await world.executions.cancel(claim.execution.id)).state is ExecutionState.CANCELLING
        (delivery,) = await connection.batch(5)
        assert isinstance(delivery, CancelRequested)
        again = await world.executions.cancel(claim.execution.id)
        assert again.state is ExecutionState.CANCELLING
        assert await connection.batch(timeout=0) == []

    async def test_a_waiting_one_is_run_once_more_to_its_end(self, world, ref):
        connection, claim = await claimed(world, ref)
        await world.pause("w1", claim)
        cancelling = await world.executions.cancel(claim.execution.id)
        waiting = asyncio.ensure_future(world.executions.settled(cancelling, is_finished))
        assert await world.assigned(connection) == claim.execution.id
        again = await world.dispatcher.claim("w1", claim.execution.id)
        await world.write("w1", again, world.event(E.WORKFLOW_CANCELLED, again), release=True)
        assert (await waiting).state is ExecutionState.CANCELLED

    async def test_a_finished_one_cannot_be_cancelled(self, world, ref):
        _, claim = await claimed(world, ref)
        await world.write("w1", claim, world.event(E.WORKFLOW_COMPLETED, claim), release=True)
        with pytest.raises(ExecutionFinishedError):
            await world.executions.cancel(claim.execution.id)


class TestPrefixes:
    @pytest.fixture
    async def known(self, world, ref):
        ids = ["abcdef01" + "0" * 24, "abcdef02" + "0" * 24, "123456aa" + "0" * 24]
        for one in ids:
            await world.store.executions.create(Execution(one, ref, ExecutionState.CREATED))
        return ids

    @pytest.mark.parametrize("prefix", ["123456", "123456A", "123456aa" + "0" * 23])
    async def test_the_beginning_of_an_id_is_enough(self, world, known, prefix):
        assert (await world.executions.get(prefix)).id == known[2]

    async def test_commands_take_it_too(self, world, known, ref):
        assert (await world.executions.cancel("123456", ref=ref)).id == known[2]
        with pytest.raises(ExecutionFinishedError):
            await world.executions.resume("123456", 1)

    async def test_several_are_named(self, world, known):
        with pytest.raises(ConflictError, match=f"{known[0]}, {known[1]}"):
            await world.executions.get("abcdef")
        assert (await world.executions.get("abcdef02")).id == known[1]

    @pytest.mark.parametrize("text", ["12345", "", "123457", "123456%", "hello", "1" * 40])
    async def test_what_begins_none_is_unknown(self, world, known, text):
        with pytest.raises(ExecutionContextNotFoundError):
            await world.executions.get(text)


async def test_plain_inputs_are_judged_without_a_worker(world):
    from flux.domain import WorkflowRef

    await world.publish("counts", input_schema={"type": "integer"})
    connection = world.join()
    started = await world.executions.start(WorkflowRef("default", "counts"), "7")
    assert await world.assigned(connection) == started.id


async def test_what_plain_types_refuse_the_code_may_accept(world):
    from flux.domain import WorkflowRef

    await world.publish("counts", input_schema={"type": "integer"})
    connection = world.join()
    starting = asyncio.ensure_future(world.executions.start(WorkflowRef("default", "counts"), "1k"))
    (asked,) = await connection.batch(5)
    world.questions.answer(asked.request_id, ValidationResult(asked.request_id))
    assert (await starting).state is ExecutionState.CLAIMED


async def test_nobody_waits_for_a_local_execution_which_no_server_brings_on(world, ref):
    execution = await world.store.executions.create(Execution("e9", ref, ExecutionState.CREATED, owner="local:h:1"))
    assert (await world.executions.settled(execution)).state is ExecutionState.CREATED
