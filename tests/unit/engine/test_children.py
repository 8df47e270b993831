"""`call` in the engine alone: a wait that carries a child, whose end comes as its answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from flux import call, task, workflow
from flux.domain import ExecutionEventType, ExecutionState, Inquiry, InquiryKind, WaitKind, WorkflowRef
from flux.errors import (
    ExecutionCancelledError,
    ExecutionError,
    ExecutionTimeoutError,
    InvalidInputError,
    UsageError,
)
from flux.tasks import parallel, sleep, uuid4

E = ExecutionEventType


@task
async def note(text: str) -> str:
    return text


def waits(lab):
    """The waits for children, by the order of their calls."""
    return [event.wait for event in lab.log if event.wait is not None and event.wait.kind is WaitKind.CHILD]


def ended(lab, index: int = 0, value=None, kind: ExecutionEventType = E.TASK_CHILD_COMPLETED):
    """What the store records when the n-th child has ended."""
    wait = waits(lab)[index]
    event = replace(lab.event(kind, value, wait_id=wait.id), source_id=wait.id, name=wait.name)
    lab.log.append(event)
    return event


@workflow
async def calls(ctx):
    return ["got", await call("shop/charge", {"total": 118})]


async def test_a_call_opens_a_wait_that_carries_the_child(lab):
    session = await lab.run(calls)
    assert session.context.state is ExecutionState.RUNNING
    assert lab.shown[1:] == ["TASK_STARTED call_workflow_shop/charge", "TASK_WAITING call_workflow_shop/charge"]
    opened = lab.log[-1]
    assert opened.wait is not None
    child = opened.wait.child
    assert child is not None
    assert (child.ref, child.digest, child.detached) == (WorkflowRef("shop", "charge"), "", False)
    assert len(child.id) == 32
    assert opened.wait.id == opened.source_id
    assert lab.codec.decode(opened.payload) == {"total": 118}
    assert lab.codec.decode(lab.log[1].payload) == {"workflow": "shop/charge"}


async def test_its_end_is_the_outcome_of_the_call(lab):
    await lab.run(calls)
    ended(lab, value=["receipt"])
    session = await lab.run(calls)
    assert session.context.output == ["got", ["receipt"]]
    assert lab.types[3:] == ["TASK_CHILD_COMPLETED", "TASK_COMPLETED", "WORKFLOW_COMPLETED"]
    assert len(waits(lab)) == 1
    before = list(lab.log)
    await lab.run(calls, state=ExecutionState.RUNNING)
    assert lab.log[: len(before)] == before


async def test_an_end_that_comes_at_once_needs_no_second_activation(lab):
    def answer(session):
        async def soon():
            while not session.waits.open:
                await asyncio.sleep(0)
            session.answer(ended(lab, value=7))

        asyncio.get_running_loop().create_task(soon())

    session = await lab.run(calls, during=answer)
    assert session.context.output == ["got", 7]
    assert lab.generation == 1


async def test_children_keep_their_ids_and_have_each_their_own(new_lab):
    @workflow
    async def twins(ctx):
        return await parallel(call("twin", 1), call("twin", 1), call("twin", 2))

    lab = new_lab()
    await lab.run(twins)
    ids = [wait.child.id for wait in waits(lab)]
    assert len(set(ids)) == 3
    other = new_lab()
    await other.run(twins)
    assert [wait.child.id for wait in waits(other)] == ids
    for index in (2, 0, 1):
        ended(lab, index, index)
    assert (await lab.run(twins)).context.output == [0, 1, 2]


async def test_ends_reach_the_code_in_their_order_again(lab):
    @workflow
    async def race(ctx):
        order = []

        async def branch(name):
            await call(name)
            order.append(str(await uuid4()))
            return order.index(order[-1])

        _, pending = await asyncio.wait(
            [asyncio.ensure_future(branch("slow")), asyncio.ensure_future(branch("quick"))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        for one in pending:
            await one
        return order

    await lab.run(race)
    ended(lab, 1)
    ended(lab, 0)
    first = (await lab.run(race)).context.output
    lab.log = lab.log[:-1]
    again = (await lab.run(race)).context.output
    assert first == again


@pytest.mark.parametrize(
    ("kind", "value", "inner"),
    [
        (E.TASK_CHILD_FAILED, ValueError("no"), ValueError),
        (E.TASK_CHILD_FAILED, ExecutionError(KeyError("k")), KeyError),
        (E.TASK_CHILD_FAILED, ExecutionTimeoutError("Workflow", "w", "i", 3), ExecutionTimeoutError),
        (E.TASK_CHILD_FAILED, "text", type(None)),
        (E.TASK_CHILD_CANCELLED, None, ExecutionCancelledError),
    ],
)
async def test_what_a_bad_end_means(lab, kind, value, inner):
    @workflow
    async def catches(ctx):
        try:
            await call("shop/charge")
        except ExecutionError as error:
            return [type(error), type(error.inner_exception), "shop/charge" in str(error)]

    await lab.run(catches)
    ended(lab, value=value, kind=kind)
    session = await lab.run(catches)
    assert session.context.output == [ExecutionError, inner, True]


async def test_a_refusal_of_the_desk_starts_nothing(lab):
    class Desk:
        asked: list[Inquiry] = []

        async def ask(self, inquiry):
            self.asked.append(inquiry)
            return {"refusal": lab.codec.encode(InvalidInputError(errors=[{"loc": ["total"], "msg": "too small"}]))}

    def with_desk(session):
        session._desk = Desk()

    session = await lab.run(calls, during=with_desk)
    assert isinstance(session.context.output.inner_exception, InvalidInputError)
    assert waits(lab) == []
    (inquiry,) = Desk.asked
    assert (inquiry.kind, inquiry.names) == (InquiryKind.CHILD, ("shop/charge",))


async def test_a_dropped_body_starts_nothing(lab):
    @workflow
    async def leaves(ctx):
        try:
            await sleep(60)
        finally:
            await call("shop/cleanup")

    await lab.run(leaves)
    assert waits(lab) == []
    assert lab.types[-1] == "TASK_WAITING"


async def test_a_cancel_waits_for_the_end_of_the_child(lab):
    seen = []

    @workflow
    async def outer(ctx):
        try:
            await call("shop/charge")
        except asyncio.CancelledError:
            seen.append(len(lab.log))
            raise

    def cancel(session):
        async def soon():
            while not session.waits.open:
                await asyncio.sleep(0)
            session.cancel(lab.cancel())
            await asyncio.sleep(0.01)
            assert seen == []
            session.answer(ended(lab, kind=E.TASK_CHILD_CANCELLED))

        asyncio.get_running_loop().create_task(soon())

    session = await lab.run(outer, during=cancel)
    assert session.context.is_cancelled
    assert lab.types[3:] == ["WORKFLOW_CANCELLING", "TASK_CHILD_CANCELLED", "TASK_CANCELLED", "WORKFLOW_CANCELLED"]
    assert len(seen) == 1


async def test_a_cancel_that_meets_the_end_of_the_child_waits_for_nothing_more(lab):
    def both(session):
        async def soon():
            while not session.waits.open:
                await asyncio.sleep(0)
            session.answer(ended(lab, value=3))
            lab.cancel()
            session.cancellation.requested = True
            session.cancellation.strike()

        asyncio.get_running_loop().create_task(soon())

    session = await lab.run(calls, during=both)
    assert session.context.is_cancelled
    assert lab.types[3:] == ["TASK_CHILD_COMPLETED", "WORKFLOW_CANCELLING", "TASK_CANCELLED", "WORKFLOW_CANCELLED"]


async def test_a_timeout_is_the_calls_own(lab):
    @workflow
    async def impatient(ctx):
        try:
            await call("shop/charge", timeout=30)
        except ExecutionTimeoutError as error:
            return str(error)

    session = await lab.until_done(impatient)
    assert "shop/charge" in session.context.output
    assert lab.types[3:] == ["TASK_FAILED", "WORKFLOW_COMPLETED"]


async def test_a_relaxed_parent(lab):
    @workflow.with_options(durability="relaxed")
    async def relaxed(ctx):
        await note("before")
        return await call("shop/charge")

    await lab.run(relaxed)
    ended(lab, value=3)
    assert (await lab.run(relaxed)).context.output == 3


async def test_a_value_that_cannot_be_stored_is_the_calls_failure(lab):
    @workflow
    async def hands_over(ctx):
        try:
            await call("shop/charge", (number for number in range(3)))
        except ExecutionError as error:
            return type(error.inner_exception).__name__

    assert (await lab.run(hands_over)).context.output == "CodecError"
    assert waits(lab) == []


async def test_outside_of_an_execution_there_is_nothing_to_call_from():
    with pytest.raises(ExecutionError):
        await call("shop/charge")
    with pytest.raises(UsageError):
        await call(3)
