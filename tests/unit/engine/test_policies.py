"""What surrounds the body of a task, while it waits and behind a crash, a pause or a cancellation."""

from __future__ import annotations

import asyncio
import sys

import pytest

from flux import task, workflow
from flux.clock import SystemClock
from flux.errors import ExecutionTimeoutError, RetryError
from flux.tasks import pause, sleep

done: list[str] = []


@pytest.fixture(autouse=True)
def nothing_done():
    done.clear()


@task
async def step(name: str) -> str:
    done.append(name)
    return name


async def handle() -> str:
    """A fallback, or a rollback, of two steps."""
    return await step("first") + await step("second")


def recovering(**options):
    """A task that would succeed if its body ran once more, after a step of its own."""

    async def charge() -> str:
        await step("charge")
        done.append("body")
        if done.count("body") > options.get("retry_max_attempts", 0) + 1:
            return "charged"
        raise OSError("down")

    return task.with_options(**options)(charge)


async def crashed_everywhere(lab, subject):
    """Run to the end, then again from behind each event of the task; what was done then, by number of events."""
    await lab.run(subject)
    whole = lab.log
    for cut in range(lab.types.index("TASK_STARTED") + 1, len(whole)):
        lab.log = whole[:cut]
        session = await lab.run(subject)
        assert session.divergence is None
        yield cut, session, lab.log[:cut]


def begun(log, name: str) -> bool:
    return any(event.type == name for event in log)


async def test_a_fallback_that_has_begun_goes_on_behind_a_crash(lab):
    charge = recovering(fallback=handle)

    @workflow
    async def w(ctx):
        return await charge()

    async for _, session, log in crashed_everywhere(lab, w):
        expected = "firstsecond" if begun(log, "TASK_FALLBACK_STARTED") else "charged"
        assert session.context.output == expected
        assert lab.types.count("TASK_FALLBACK_STARTED") == begun(log, "TASK_FALLBACK_STARTED")


async def test_a_rollback_that_has_begun_goes_on_behind_a_crash_and_the_failure_stays(lab):
    charge = recovering(rollback=handle)

    @workflow
    async def w(ctx):
        return await charge()

    async for _, session, log in crashed_everywhere(lab, w):
        if begun(log, "TASK_GIVEN_UP"):
            assert isinstance(session.context.output.inner_exception, OSError)
            assert lab.types.count("TASK_GIVEN_UP") == 1
        else:
            assert session.context.output == "charged"


async def test_a_rollback_behind_retries_and_a_fallback_keeps_the_error_of_the_fallback(lab):
    async def broken() -> str:
        await step("fallback")
        raise LookupError("no luck")

    charge = recovering(retry_max_attempts=1, retry_delay=0, fallback=broken, rollback=handle)

    @workflow
    async def w(ctx):
        return await charge()

    async for _, session, log in crashed_everywhere(lab, w):
        if begun(log, "TASK_FALLBACK_STARTED"):
            assert isinstance(session.context.output.inner_exception, LookupError)


async def test_a_rollback_behind_retries_keeps_how_often_was_tried(lab):
    charge = recovering(retry_max_attempts=1, retry_delay=0, rollback=handle)

    @workflow
    async def w(ctx):
        return await charge()

    async for _, session, log in crashed_everywhere(lab, w):
        if begun(log, "TASK_GIVEN_UP"):
            assert isinstance(session.context.output.inner_exception, RetryError)


@pytest.mark.parametrize("option", ["fallback", "rollback"])
async def test_a_person_who_is_asked_by_a_handler_does_not_set_off_the_task_again(lab, option):
    async def ask() -> str:
        return await pause("by hand")

    charge = recovering(**{option: ask})

    @workflow
    async def w(ctx):
        return await charge()

    await lab.run(w)
    assert done == ["charge", "body"]
    lab.answer("by hand", "done by hand")
    session = await lab.run(w)
    assert done == ["charge", "body"]
    if option == "fallback":
        assert session.context.output == "done by hand"
    else:
        assert isinstance(session.context.output.inner_exception, OSError)


async def test_a_rollback_that_a_cancellation_cuts_short_begins_once_more(lab):
    begun: list[bool] = []

    async def undo() -> None:
        begun.append(True)
        await step("undo")
        if len(begun) == 1:
            await sleep(60)
        await step("undone")

    charge = recovering(rollback=undo)

    @workflow
    async def w(ctx):
        return await charge()

    await lab.run(w)
    assert lab.types[-1] == "TASK_WAITING"
    lab.cancel()
    begun.clear()
    session = await lab.run(w)
    assert session.context.is_cancelled
    assert done == ["charge", "body", "undo", "undo", "undone"]
    assert lab.types.count("TASK_ROLLBACK_COMPLETED") == 1
    whole = lab.log
    for cut in range(lab.types.index("WORKFLOW_CANCELLING") + 1, len(whole)):
        if whole[cut].type == "TASK_ROLLBACK_STARTED":
            continue  # noted together with the event before it
        lab.log = whole[:cut]
        begun.clear()
        session = await lab.run(w)
        assert session.context.is_cancelled
        assert session.divergence is None
        assert lab.types.count("TASK_ROLLBACK_COMPLETED") == 1


@pytest.mark.parametrize("option", ["fallback", "rollback"])
async def test_a_handler_that_exits_has_failed(lab, option):
    charge = recovering(**{option: lambda: sys.exit(3)})

    @workflow
    async def w(ctx):
        return await asyncio.create_task(charge())

    session = await lab.run(w)
    expected = RuntimeError if option == "fallback" else OSError
    assert isinstance(session.context.output.inner_exception, expected)
    assert lab.types[-3:] == [f"TASK_{option.upper()}_FAILED", "TASK_FAILED", "WORKFLOW_FAILED"]


@pytest.mark.parametrize("local", [True, False])
async def test_a_timeout_ends_an_attempt_that_sleeps_for_longer(lab, local):
    lab.clock = SystemClock()

    @task.with_options(timeout=0.05)
    async def dozing() -> None:
        await sleep(3600)

    @workflow
    async def w(ctx):
        await dozing()

    session = await lab.run(w, local=local)
    assert isinstance(session.context.output, ExecutionTimeoutError)


async def test_an_attempt_that_sleeps_for_less_than_its_timeout_holds_no_worker(lab):
    lab.clock = SystemClock()

    @task.with_options(timeout=7200)
    async def dozing() -> None:
        await sleep(3600)

    @workflow
    async def w(ctx):
        await dozing()

    await lab.run(w)
    assert lab.types[-1] == "TASK_WAITING"
