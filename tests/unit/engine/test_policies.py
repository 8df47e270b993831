"""Fallbacks and rollbacks that have begun: an activation behind a crash or a pause goes on in them."""

from __future__ import annotations

import pytest

from flux import task, workflow
from flux.errors import RetryError
from flux.tasks import pause

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
            assert lab.types.count("TASK_GIVEN_UP") == lab.types.count("TASK_ROLLBACK_STARTED") == 1
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
