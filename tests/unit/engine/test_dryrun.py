"""Dry replay: it finds where code arrives with a history, and nothing happens meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from flux import call, task, workflow
from flux.codec import Codec, Payload, from_plain
from flux.domain import Execution, ExecutionEventType, ExecutionState, InquiryKind
from flux.domain.verdict import Outcome
from flux.engine.dryrun import dry_run
from flux.tasks import Graph, parallel, pause, pipeline, sleep, uuid4

_T = ExecutionEventType
ran: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_ran_before():
    ran.clear()


@task
async def charge(amount: int) -> int:
    ran.append(f"charge {amount}")
    return amount


def undo(amount: int) -> None:
    ran.append(f"undo {amount}")


def instead(amount: int) -> int:
    ran.append(f"instead {amount}")
    return -amount


@task.with_options(rollback=undo, fallback=instead, retry_max_attempts=1, retry_delay=0.01)
async def risky(amount: int) -> int:
    ran.append(f"risky {amount}")
    raise ValueError(amount)


@task
async def outer(amount: int) -> int:
    ran.append(f"outer {amount}")
    return await charge(amount)


@workflow.with_options(name="order")
async def order(ctx):
    total = await charge(7) + await risky(1)
    total += sum(await parallel(charge(1), outer(2), charge(3)))
    total += await pipeline(charge, charge, input=4)
    total += await Graph("g").add_node("a", charge).start_with("a").end_with("a")(5)
    await uuid4()
    if await pause("approval"):
        await charge(8)
    return total


async def paused(lab, subject=order):
    await lab.run(subject)
    ran.clear()
    return list(lab.log)


async def finished(lab, subject=order, answer=True):
    await lab.run(subject)
    lab.answer("approval", answer)
    session = await lab.run(subject)
    assert session.context.has_finished
    ran.clear()
    return list(lab.log)


async def test_a_paused_execution_waits_again(lab):
    log = await paused(lab)
    verdict = await lab.dry(order)
    assert (verdict.outcome, verdict.detail) == (Outcome.WAITS, "waits at input 'approval'")
    assert verdict.location.rpartition(":")[0].endswith("test_dryrun.py")
    assert verdict.is_consistent
    assert verdict.error is None
    assert (ran, lab.log) == ([], log)


async def test_an_answered_one_goes_on(lab):
    await paused(lab)
    lab.answer("approval", True)
    verdict = await lab.dry(order)
    assert (verdict.outcome, verdict.detail) == (Outcome.GOES_ON, "goes on again at pause(name='approval')")
    assert ran == []


async def test_a_finished_one_ends_as_recorded(lab):
    await finished(lab)
    verdict = await lab.dry(order)
    assert (verdict.outcome, verdict.detail) == (Outcome.ENDS, "ends as recorded: COMPLETED")
    assert ran == []


async def test_every_prefix_of_a_history_is_consistent_and_runs_nothing(lab):
    log = await finished(lab)
    for cut in range(len(log)):
        lab.log = log[:cut]
        verdict = await lab.dry(order)
        assert verdict.is_consistent, f"after {cut} events: {verdict}"
        assert ran == []


async def test_a_failed_one_fails_again(lab):
    @workflow.with_options(name="order")
    async def failing(ctx):
        await charge(1)
        await pause("approval")
        raise ValueError("too much")

    await finished(lab, failing)
    verdict = await lab.dry(failing)
    assert (verdict.outcome, verdict.detail) == (Outcome.ENDS, "ends as recorded: FAILED (ValueError: too much)")


async def test_a_long_failure_is_cut(lab):
    @workflow.with_options(name="order")
    async def failing(ctx):
        await pause("approval")
        raise ValueError("x" * 10_000)

    await finished(lab, failing)
    verdict = await lab.dry(failing)
    assert verdict.outcome is Outcome.ENDS
    assert len(verdict.detail) < 300


async def test_a_cancelled_one_is_cancelled_where_it_was(lab):
    cleaned: list[str] = []

    @workflow.with_options(name="order")
    async def cleans_up(ctx):
        try:
            await charge(1)
            await pause("approval")
        finally:
            cleaned.append("body")
            await charge(2)

    await lab.run(cleans_up)
    lab.cancel()
    session = await lab.run(cleans_up)
    assert session.context.is_cancelled
    ran.clear()
    cleaned.clear()
    verdict = await lab.dry(cleans_up)
    assert (verdict.outcome, verdict.detail) == (Outcome.ENDS, "ends as recorded: CANCELLED")
    assert (ran, cleaned) == ([], ["body"])


@pytest.mark.parametrize("answering", [True, False], ids=["in a task", "in raw code"])
async def test_one_that_timed_out_times_out_again(lab, answering):
    @workflow.with_options(name="order", timeout=60)
    async def slow(ctx):
        await charge(1)
        if answering:
            await sleep(3600)
        else:
            await asyncio.Event().wait()

    session = await lab.until_done(slow)
    assert session.context.has_failed
    ran.clear()
    verdict = await lab.dry(slow)
    assert verdict.outcome is Outcome.ENDS, verdict
    assert verdict.detail.startswith("ends as recorded: FAILED (ExecutionTimeoutError")


async def test_one_that_has_not_begun_goes_on_at_its_first_call(lab):
    verdict = await lab.dry(order)
    assert (verdict.outcome, verdict.detail) == (Outcome.GOES_ON, "goes on at charge(amount=7)")
    assert ran == []


async def test_code_without_calls_ends(lab):
    @workflow
    async def plain(ctx):
        return 1

    verdict = await lab.dry(plain)
    assert (verdict.outcome, verdict.detail) == (Outcome.ENDS, "the code ends: COMPLETED")


async def test_another_output_is_told_and_is_no_divergence(lab):
    await finished(lab)

    @workflow.with_options(name="order")
    async def other_output(ctx):
        return [await order.func(ctx)]

    verdict = await lab.dry(other_output)
    assert verdict.is_consistent
    assert verdict.detail == "ends as recorded, with another output: COMPLETED"


async def test_a_call_added_behind_the_end_of_a_finished_one_diverges(lab):
    await finished(lab)

    @workflow.with_options(name="order")
    async def longer(ctx):
        total = await order.func(ctx)
        return total + await charge(99)

    verdict = await lab.dry(longer)
    assert verdict.outcome is Outcome.DIVERGES
    assert verdict.error is not None
    assert verdict.error.recorded.startswith("the end, COMPLETED (event ")
    assert verdict.error.attempted == "charge(amount=99)"
    assert verdict.error.cause == "a call of charge was added at the end"
    assert ran == []


async def test_another_kind_of_end_diverges(lab):
    await finished(lab)

    @workflow.with_options(name="order")
    async def breaks(ctx):
        await order.func(ctx)
        raise KeyError("total")

    verdict = await lab.dry(breaks)
    assert verdict.outcome is Outcome.DIVERGES
    assert verdict.divergence["attempted"] == "the end, FAILED, KeyError: 'total'"
    assert verdict.divergence["attempted_at"].rpartition(":")[0].endswith("test_dryrun.py")


async def test_a_changed_call_diverges_without_a_side_effect(lab):
    log = await paused(lab)

    @workflow.with_options(name="order")
    async def changed(ctx):
        await charge(70)
        return await order.func(ctx)

    verdict = await lab.dry(changed)
    assert verdict.outcome is Outcome.DIVERGES
    assert verdict.divergence["recorded"] == "charge(amount=7) (event 2)"
    assert verdict.divergence["attempted"] == "charge(amount=70)"
    assert (ran, lab.log) == ([], log)


async def test_an_end_by_the_server_needs_no_end_of_the_code(lab):
    """A runner that kept dying: the code was in the middle of a call."""
    log = await paused(lab)
    died = lab.event(_T.WORKFLOW_FAILED, RuntimeError("the process died"))
    lab.log = [*log, died]
    verdict = await lab.dry(order)
    assert (verdict.outcome, verdict.detail) == (Outcome.WAITS, "waits at input 'approval'")


async def test_a_parked_divergence_is_consistent_with_the_code_it_came_from(lab):
    await paused(lab)

    @workflow.with_options(name="order")
    async def changed(ctx):
        return await charge(1)

    lab.answer("approval", True)
    assert (await lab.run(changed)).divergence is not None
    ran.clear()
    assert (await lab.dry(order)).is_consistent
    assert (await lab.dry(changed)).outcome is Outcome.DIVERGES


async def test_code_that_waits_for_the_outside_is_undecided_after_a_while(lab):
    lab.log = [event for event in await paused(lab, order) if event.type is _T.WORKFLOW_STARTED]
    end = lab.event(_T.WORKFLOW_COMPLETED, 1)
    lab.log.append(replace(end, ordinal=2))

    @workflow
    async def stuck(ctx):
        await asyncio.sleep(3600)

    verdict = await lab.dry(stuck, patience=0.05)
    assert verdict.outcome is Outcome.UNDECIDED
    assert "outside of Flux" in verdict.detail


async def test_a_value_that_cannot_be_read_is_what_the_code_gets(lab):
    """As in a real replay: the code may catch it, and fails otherwise."""
    log = await finished(lab)
    broken = Payload(b"not dill", "dill", "x y")
    at = next(index for index, event in enumerate(log) if event.type is _T.TASK_COMPLETED)
    lab.log = [*log[:at], replace(log[at], payload=broken), *log[at + 1 :]]
    verdict = await lab.dry(order)
    assert verdict.outcome is Outcome.DIVERGES
    assert "CodecError" in verdict.divergence["attempted"]


async def test_recorded_outcomes_are_told_in_order(lab):
    await finished(lab)
    seen = []
    await lab.dry(order, observer=lambda event: seen.append(event.seq))
    assert seen == sorted(seen)
    assert len(seen) > 5


# -- what is kept outside of the history is not asked for --------------------------------------------


class Desk:
    """Gives a secret, and counts who asks."""

    def __init__(self):
        self.asked = 0

    async def ask(self, inquiry):
        self.asked += 1
        return {"API_KEY": from_plain("hunter2-hunter2")} if inquiry.kind is InquiryKind.SECRETS else {}


@task.with_options(secret_requests=["API_KEY"])
async def fetch(secrets) -> str:
    ran.append("fetch")
    return secrets["API_KEY"]


@task.with_options(cache=True)
async def remembered(number: int) -> int:
    ran.append(f"remembered {number}")
    return number


@workflow.with_options(name="order")
async def asking(ctx):
    key = await fetch()
    await remembered(1)
    await charge(len(key))
    return await call("shop/ship", {"n": 1})


async def test_secrets_cache_and_children_are_left_alone(lab):
    lab.desk = Desk()
    await lab.run(asking)
    asked, log = lab.desk.asked, list(lab.log)
    assert asked
    ran.clear()
    verdict = await lab.dry(asking)
    assert (verdict.outcome, verdict.detail) == (Outcome.WAITS, "waits at child 'call_workflow_shop/ship'")
    for cut in range(len(log)):
        lab.log = log[:cut]
        assert (await lab.dry(asking)).is_consistent
    assert (ran, lab.desk.asked) == ([], asked)


async def test_a_verdict_shows_no_secret(lab):
    lab.desk = Desk()
    await lab.run(asking)

    @workflow.with_options(name="order")
    async def tells(ctx):
        await note_down(await fetch())

    @task
    async def note_down(text: str) -> None: ...

    execution = Execution("e1", tells.ref, ExecutionState.RUNNING, generation=1)
    verdict = await dry_run(tells, execution, lab.log, codec=Codec("pkl", b"test-key"))
    assert verdict.divergence["attempted"] == "note_down(text='•••')"
    assert "hunter2" not in repr(verdict)
