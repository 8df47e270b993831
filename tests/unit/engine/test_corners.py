"""Corners of replay and recording, each found by breaking it once."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from contextvars import Context

import pytest

from flux import task, workflow
from flux.domain import ExecutionEventType
from flux.engine import release
from flux.errors import ExecutionError, ExecutionTimeoutError, StaleClaimError
from flux.tasks import parallel, pause, sleep
from flux.testing import FakeClock

_T = ExecutionEventType


@task
async def note(text: str) -> str:
    return text


async def resumed(lab, subject, name="p", value=1):
    """Answer and activate again."""
    lab.answer(name, value)
    return await lab.run(subject)


async def test_attempts_tell_their_inner_calls_apart(lab):
    seen: list[int] = []

    @task
    async def inner() -> int:
        seen.append(len(seen))
        return seen[-1]

    @task.with_options(retry_max_attempts=2, retry_delay=0.01)
    async def outer() -> int:
        got = await inner()
        if got == 0:
            raise ValueError("first attempt")
        return got

    @workflow
    async def w(ctx):
        got = await outer()
        await pause("p")
        return got

    assert (await lab.run(w)).context.is_paused
    session = await resumed(lab, w)
    assert session.divergence is None
    assert session.context.output == 1
    assert seen == [0, 1]


async def test_a_pause_inside_a_retried_attempt(lab):
    tried: list[int] = []

    @task.with_options(retry_max_attempts=2, retry_delay=0.01)
    async def outer() -> str:
        await note("step")
        tried.append(1)
        if len(tried) == 1:
            raise ValueError("first attempt")
        return await pause("p")

    @workflow
    async def w(ctx):
        return await outer()

    assert (await lab.run(w)).context.is_paused
    session = await resumed(lab, w, value="answer")
    assert session.divergence is None
    assert session.context.output == "answer"


async def test_a_back_off_that_lets_go_retries_the_inner_calls(lab):
    tried: list[int] = []

    @task
    async def inner() -> int:
        tried.append(1)
        if len(tried) < 3:
            raise OSError("not yet")
        return len(tried)

    @task.with_options(retry_max_attempts=3, retry_delay=2)
    async def outer() -> int:
        return await inner()

    @workflow
    async def w(ctx):
        return await outer()

    assert (await lab.until_done(w)).context.output == 3


async def test_a_timeout_of_ones_own_is_not_the_tasks(lab):
    @task.with_options(timeout=30)
    async def t() -> None:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()

    @workflow
    async def w(ctx):
        await t()

    error = (await lab.run(w)).context.output
    assert not isinstance(error, ExecutionTimeoutError)
    assert isinstance(error.inner_exception, TimeoutError)


async def test_a_task_behind_a_plain_decorator_replays(lab):
    def logged(func):
        @functools.wraps(func)
        def wrapper(*args):
            return func(*args)

        return wrapper

    @task
    @logged
    async def outer() -> str:
        first = await note("inner")
        return first + await pause("p")

    @workflow
    async def w(ctx):
        return await outer()

    assert (await lab.run(w)).context.is_paused
    session = await resumed(lab, w, value="!")
    assert session.divergence is None
    assert session.context.output == "inner!"


async def test_code_that_spins_gets_what_it_waits_for(lab):
    @workflow
    async def w(ctx):
        running = asyncio.create_task(note("done"))
        while not running.done():
            await asyncio.sleep(0)
        return running.result()

    assert (await lab.run(w)).context.output == "done"


async def test_nothing_is_paused_while_a_task_backs_off(lab):
    tried: list[int] = []

    @task.with_options(retry_max_attempts=1, retry_delay=60)
    async def flaky() -> str:
        tried.append(1)
        if len(tried) == 1:
            raise OSError("once")
        return "fine"

    @workflow
    async def w(ctx):
        return await parallel(flaky(), pause("p"))

    session = await lab.run(w)
    assert "WORKFLOW_PAUSED" not in lab.types
    assert session.context.state == "RUNNING"
    lab.clock.advance(61)
    assert (await lab.run(w)).context.is_paused
    assert (await resumed(lab, w, value="yes")).context.output == ["fine", "yes"]


async def test_nothing_is_recorded_behind_the_last_word(lab):
    @workflow
    async def w(ctx):
        ctx_tasks.append(asyncio.create_task(note("in the background")))
        return "done"

    ctx_tasks: list[asyncio.Task[str]] = []
    await lab.run(w)
    assert lab.types[-1] == "WORKFLOW_COMPLETED"


async def test_an_answer_between_the_release_and_its_commit_stays_for_the_next_activation(lab):
    @workflow
    async def w(ctx):
        return await pause("p")

    answers = []

    def during(session):
        append = session.journal.append

        def answering(events, *, release=False):
            future = append(events, release=release)
            if release and not answers:
                answers.append(session.answer(lab.answer("p", 7)))
            return future

        session.journal.append = answering

    session = await lab.run(w, during=during)
    assert session.context.state in ("PAUSED", "RUNNING", "RESUMING")
    assert "TASK_RESUMED" not in lab.types
    assert (await lab.run(w)).context.output == 7


async def test_a_timeout_during_the_commit_replays_as_it_was_seen(lab):
    @workflow
    async def w(ctx):
        try:
            async with asyncio.timeout(0.02):
                got = await note("late")
        except TimeoutError:
            got = "timed out"
        await pause("p")
        return got

    def during(session):
        append = session.journal.append

        def slowly(events, *, release=False):
            if not any(event.type is _T.TASK_COMPLETED for event in events):
                return append(events, release=release)
            loop = asyncio.get_running_loop()
            late = loop.create_future()

            def commit() -> None:
                append(events, release=release).add_done_callback(lambda done: late.set_result(done.result()))

            loop.call_later(0.05, commit)
            return late

        session.journal.append = slowly

    assert (await lab.run(w, during=during)).context.is_paused
    assert lab.types[:4] == ["WORKFLOW_STARTED", "TASK_STARTED", "TASK_COMPLETED", "TASK_CANCELLED"]
    session = await resumed(lab, w)
    assert session.divergence is None
    assert session.context.output == "timed out"


async def test_an_unfinished_rollback_runs_again(lab):
    undone: list[str] = []

    @task.with_options(rollback=lambda: undone.append("undone"))
    async def work() -> None:
        await asyncio.Event().wait()

    @workflow
    async def w(ctx):
        await work()

    def during(session):
        async def cancel():
            while not any(event.name == "work" for event in lab.log):
                await asyncio.sleep(0.001)
            session.cancel(lab.cancel())

        background.append(asyncio.create_task(cancel()))

    background: list[asyncio.Task[None]] = []
    await lab.run(w, during=during)
    assert undone == ["undone"]
    cut = lab.types.index("TASK_ROLLBACK_STARTED") + 1
    lab.log = lab.log[:cut]
    undone.clear()
    session = await lab.run(w)
    assert session.context.is_cancelled
    assert undone == ["undone"]
    assert lab.types.count("TASK_CANCELLED") == 1


async def test_a_crash_in_the_cleanup_of_a_cancelled_body(lab):
    @workflow
    async def w(ctx):
        try:
            await asyncio.Event().wait()
        finally:
            await note("cleaning")
            await note("cleaned")

    def during(session):
        async def cancel():
            while not lab.log:
                await asyncio.sleep(0.001)
            session.cancel(lab.cancel())

        background.append(asyncio.create_task(cancel()))

    background: list[asyncio.Task[None]] = []
    await lab.run(w, during=during)
    assert lab.types[-1] == "WORKFLOW_CANCELLED"
    lab.log = lab.log[: lab.types.index("TASK_COMPLETED") + 1]
    session = await lab.run(w)
    assert session.divergence is None
    assert session.context.is_cancelled
    assert [event.name for event in lab.log if event.type is _T.TASK_COMPLETED] == ["note", "note"]


async def test_a_wait_left_behind_by_a_finished_task_is_closed(lab):
    @task
    async def first() -> str:
        left.append(asyncio.create_task(sleep(2)))
        await note("something")
        await asyncio.sleep(0.01)
        return "first"

    left: list[asyncio.Task[None]] = []

    @workflow
    async def w(ctx):
        await first()
        return await pause("p")

    lab.clock = FakeClock()
    assert (await lab.run(w)).context.is_paused
    opened = {event.source_id for event in lab.log if event.wait and event.wait.name == "sleep"}
    closed = {event.source_id for event in lab.log if event.type is _T.TASK_CANCELLED}
    assert opened <= closed
    assert (await resumed(lab, w)).context.output == 1


class Unreadable:
    """Pickles, but does not come back."""

    def __reduce__(self):
        return (int, ("not a number",))


async def test_what_a_pause_shows_is_not_opened_to_record_it(lab):
    @workflow
    async def w(ctx):
        return await pause("p", output=Unreadable())

    assert (await lab.run(w)).context.is_paused


async def test_a_result_that_fails_to_encode_fails_the_execution(lab):
    class Hostile:
        def __reduce__(self):
            raise ZeroDivisionError

        def __repr__(self):
            raise ZeroDivisionError

    @task
    async def t(x=None):
        return Hostile()

    @workflow
    async def w(ctx):
        return await t(Hostile())

    @workflow
    async def direct(ctx):
        return Hostile()

    assert (await lab.run(w)).context.has_failed
    assert lab.types[-2] == "TASK_FAILED"
    lab.log.clear()
    assert (await lab.run(direct)).context.has_failed


async def test_tasks_called_through_another_loop_are_refused(lab):
    @task
    def outer() -> str:
        return asyncio.run(call())

    async def call() -> str:
        return await note("inner")

    @workflow
    async def w(ctx):
        return await outer()

    error = (await lab.run(w)).context.output
    assert isinstance(error, ExecutionError)
    assert "another event loop" in str(error)


async def test_an_error_inside_the_engine_ends_the_activation_instead_of_hanging(lab):
    @workflow
    async def w(ctx):
        return await pause("p")

    def during(session):
        def broken(waits):
            raise ZeroDivisionError("inside")

        session.recorder.note_paused = broken

    with pytest.raises(ZeroDivisionError):
        await lab.run(w, during=during)


async def test_a_workflow_timeout_wakes_a_paused_execution(lab):
    @workflow.with_options(timeout=60)
    async def w(ctx):
        return await pause("p")

    lab.clock = FakeClock()
    assert (await lab.run(w)).context.is_paused
    deadline = next(event.wait for event in reversed(lab.log) if event.wait)
    assert (deadline.name, deadline.wake_at) == ("timeout", lab.log[0].time + 60_000_000)
    lab.clock.advance(61)
    error = (await lab.run(w)).context.output
    assert isinstance(error, ExecutionTimeoutError)
    assert error.type == "Workflow"
    assert lab.types[-2:] == ["TASK_CANCELLED", "WORKFLOW_FAILED"]


async def test_a_body_that_ends_beside_an_open_pause_has_ended(lab):
    @task
    async def boom() -> None:
        raise ValueError("kaboom")

    @workflow
    async def w(ctx):
        async def group():
            async with asyncio.TaskGroup() as group:
                group.create_task(boom())
                group.create_task(sleep(90))

        await asyncio.gather(group(), parallel(pause("p")))

    session = await lab.run(w)
    assert session.context.has_failed
    assert "WORKFLOW_PAUSED" not in lab.types


@pytest.mark.parametrize("last", ["TASK_COMPLETED", "TASK_FAILED"])
async def test_a_crash_between_the_last_outcome_and_the_end(lab, last):
    """The end does not wait for outcomes that came behind the one that brought it about."""

    @task
    async def boom() -> None:
        await asyncio.sleep(0.01)
        raise ValueError("kaboom")

    @task
    async def beside() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.01)

    @workflow
    async def w(ctx):
        await asyncio.gather(beside(), boom(), beside())

    await lab.run(w)
    cut = max(index for index, kind in enumerate(lab.types) if kind == last) + 1
    lab.log = lab.log[:cut]
    session = await lab.run(w)
    assert session.divergence is None
    assert session.context.has_failed
    assert "kaboom" in str(session.context.output)


async def test_replay_gives_what_is_not_flux_its_time_again_behind_each_outcome(lab, monkeypatch):
    monkeypatch.setattr(release, "OUTSIDE_GRACE", 0.2)

    @workflow
    async def w(ctx):
        for number in range(3):
            await asyncio.sleep(0.12)
            await note(str(number))
        return await pause("p")

    await lab.run(w)
    session = await resumed(lab, w, value="done")
    assert session.divergence is None
    assert session.context.output == "done"


async def test_what_has_not_begun_is_dropped_without_an_error(lab):
    @workflow
    async def w(ctx):
        lab.session.fail(StaleClaimError())
        tasks.append(asyncio.create_task(note("too late")))
        await tasks[0]

    tasks: list[asyncio.Task[str]] = []
    await lab.run(w)
    await asyncio.wait(tasks)
    assert tasks[0].cancelled()


async def test_replay_does_not_wait_for_timers_of_the_code(lab):
    """Neither for a sleep of asyncio's, nor for the timeout that cancelled a call, nor for that of a `wait`."""

    @workflow
    async def w(ctx):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience[0]):
                await sleep(7200)
        await note("a")
        await asyncio.sleep(patience[0])
        sleeping = asyncio.create_task(sleep(90))
        await asyncio.wait([sleeping], timeout=patience[0])
        await note("b")
        return [await pause("p"), sleeping.done()]

    lab.clock = FakeClock()
    patience = [0.01]
    assert (await lab.run(w, local=True)).context.is_paused
    assert lab.shown.count("TASK_COMPLETED note") == 2
    patience[0] = 3600
    session = await resumed(lab, w, value="answer")
    assert session.divergence is None
    assert session.context.output == ["answer", False]


async def test_what_is_awaited_outside_is_not_overtaken_by_timers_in_replay(lab):
    @workflow
    async def w(ctx):
        outside = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.01, outside.set_result, "in time", context=Context())
        async with asyncio.timeout(30):
            got = await outside
        await note(got)
        return [got, await pause("p")]

    await lab.run(w)
    session = await resumed(lab, w)
    assert session.divergence is None
    assert session.context.output == ["in time", 1]


async def test_code_that_lives_on_timers_diverges_in_the_end(lab, monkeypatch):
    monkeypatch.setattr(release, "OUTSIDE_GRACE", 0.05)
    monkeypatch.setattr(release, "MAX_SKIPS", 10)

    @workflow
    async def w(ctx):
        while waits:
            await asyncio.sleep(0.001)
        await note("a")
        return await pause("p")

    waits: list[bool] = []
    await lab.run(w)
    waits.append(True)
    assert (await resumed(lab, w)).divergence is not None


async def test_what_an_event_loop_begins_stands_where_the_enclosing_call_does(lab):
    @workflow
    async def w(ctx):
        await parallel(pause("legal"), sleep(0.01))
        await asyncio.gather(pause("finance"))

    await lab.run(w)
    lab.answer("legal", 1)
    await lab.run(w)
    first = w.func.__code__.co_firstlineno
    started = [(event.name, event.location) for event in lab.log if event.type is ExecutionEventType.TASK_STARTED]
    here = f"{__file__}:{first + 2}"
    assert started == [("parallel", here), ("pause", here), ("sleep", here), ("pause", "")]
