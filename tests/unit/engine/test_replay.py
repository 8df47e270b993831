"""Replay: wherever the log stops, running on from it gives the same result and repeats nothing recorded."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flux import task, workflow
from flux.tasks import choice, now, parallel, pause, pipeline, randint, randrange, sleep, uuid4
from flux.testing import FakeClock

ledger: Counter[str] = Counter()


@task
async def fetch(key: str) -> str:
    ledger[key] += 1
    return f"<{key}>"


@task
def crunch(key: str) -> str:
    ledger[key] += 1
    return key.upper()


@task.with_options(retry_max_attempts=2, retry_delay=0.01)
async def unsteady(key: str) -> str:
    ledger[key] += 1
    if ledger[key] < 2:
        raise OSError(key)
    return key


@task
async def outer(key: str) -> str:
    ledger[key] += 1
    return await fetch(f"{key}.inner")


@workflow
async def everything(ctx):
    found = [await fetch("a"), await crunch("b"), await unsteady("c"), await outer("d")]
    found += await parallel(fetch("e"), crunch("f"), outer("g"))
    found += await fetch.map(["h", "i"])
    found.append(await pipeline(fetch, crunch, input="j"))
    return [*found, str(await uuid4()), await randint(1, 10**9), (await now()).isoformat()]


@workflow
async def racing(ctx):
    """Branches finish in another order than they start, then ask for chance."""

    async def branch(index: int):
        for _ in range(3 - index):
            await fetch(f"{index}")
        return index, str(await uuid4()), await choice(["x", "y", "z"]), await randrange(1000)

    return await asyncio.gather(*(branch(index) for index in range(3)))


@workflow
async def first_wins(ctx):
    async def slow():
        for _ in range(5):
            await fetch("slow")
        return "slow"

    tasks = [asyncio.create_task(slow()), asyncio.create_task(fetch("quick"))]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for left in pending:
        left.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return [finished.result() for finished in done], await fetch("after")


@workflow
async def grouped(ctx):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(outer(f"t{index}")) for index in range(3)]
    await sleep(0.5)
    return [finished.result() for finished in tasks]


@workflow
async def handles_failure(ctx):
    @task
    async def bad():
        ledger["bad"] += 1
        raise ValueError("no")

    try:
        await bad()
    except Exception as error:
        return [await fetch("recovered"), str(error)]


WORKFLOWS = [everything, racing, first_wins, grouped, handles_failure]


@pytest.mark.parametrize("subject", WORKFLOWS, ids=lambda subject: subject.name)
async def test_every_prefix_of_the_log_leads_to_the_same_end(lab, new_lab, subject):
    ledger.clear()
    session = await lab.run(subject)
    assert session.context.has_succeeded, session.context.output
    recorded_chance = {event.source_id: event.payload for event in lab.log if event.type == "TASK_COMPLETED"}
    for cut in range(1, len(lab.log)):
        ledger.clear()
        again = new_lab()
        again.log = list(lab.log[:cut])
        session = await again.run(subject)
        assert session.divergence is None, f"diverged after {cut} events: {session.divergence}"
        assert session.context.has_succeeded
        for event in again.log[:cut]:
            if event.type == "TASK_COMPLETED":
                assert recorded_chance[event.source_id] == event.payload
        finished = {
            lab.codec.decode(event.payload)["key"]
            for event in lab.log[:cut]
            if event.type == "TASK_STARTED"
            and event.name in ("fetch", "crunch")
            and any(o.source_id == event.source_id and o.type == "TASK_COMPLETED" for o in lab.log[:cut])
        }
        assert not any(ledger[key] for key in finished if ledger[key] and key not in ("0", "1", "2", "slow"))


@pytest.mark.parametrize("subject", WORKFLOWS, ids=lambda subject: subject.name)
async def test_a_full_log_replays_without_running_anything(lab, new_lab, subject):
    ledger.clear()
    first = await lab.run(subject)
    ledger.clear()
    again = new_lab()
    again.log = list(lab.log[:-1])
    second = await again.run(subject)
    assert not ledger
    assert second.context.output == first.context.output
    assert len(again.log) == len(lab.log)


async def test_an_equal_call_is_told_apart_by_its_occurrence(lab):
    count = [0]

    @task
    async def next_number() -> int:
        count[0] += 1
        return count[0]

    @workflow
    async def w(ctx):
        return [await next_number(), await next_number(), await next_number()]

    assert (await lab.run(w)).context.output == [1, 2, 3]
    lab.log.pop()
    assert (await lab.run(w)).context.output == [1, 2, 3]
    assert count == [3]


async def test_a_crash_at_any_append_loses_no_recorded_outcome(new_lab):
    reference = new_lab()
    ledger.clear()
    await reference.run(everything)
    for crash_after in range(1, len(reference.log)):
        ledger.clear()
        lab = new_lab()
        lab.crash_after = crash_after
        await lab.run(everything)
        completed = {event.source_id for event in lab.log if event.type == "TASK_COMPLETED"}
        lab.crash_after, lab.stale = None, False
        session = await lab.run(everything)
        assert session.context.has_succeeded, session.divergence
        outcomes = Counter(event.source_id for event in lab.log if event.type == "TASK_COMPLETED")
        assert completed <= set(outcomes)
        assert set(outcomes.values()) == {1}


async def test_a_task_that_the_ending_code_cancels_is_no_divergence(lab):
    @workflow
    async def w(ctx):
        nap = asyncio.create_task(sleep(3600))
        answer = await pause("answer")
        nap.cancel()
        return answer

    lab.clock = FakeClock()
    await lab.run(w)
    lab.answer("answer", 7)
    assert (await lab.run(w)).context.output == 7
    assert lab.types[-2:] == ["TASK_CANCELLED", "WORKFLOW_COMPLETED"]
    lab.log.pop()  # the process died just before it
    session = await lab.run(w)
    assert session.divergence is None
    assert session.context.output == 7
    assert lab.types.count("TASK_CANCELLED") == 1


async def test_a_stale_owner_stops_without_writing(lab):
    ledger.clear()
    lab.stale = True
    session = await lab.run(everything)
    assert lab.log == []
    assert not session.context.has_finished


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.sampled_from("abc"), max_size=3), min_size=1, max_size=4), st.data())
def test_reordered_branches_never_look_like_divergence(new_lab, plan, data):
    """Any shape of concurrent branches, cut anywhere, replays."""

    async def main():
        @workflow
        async def w(ctx):
            async def branch(keys):
                return [await fetch(key) for key in keys] + [str(await uuid4())]

            return await asyncio.gather(*(branch(keys) for keys in plan))

        lab = new_lab()
        first = await lab.run(w)
        cut = data.draw(st.integers(1, len(lab.log) - 1))
        again = new_lab()
        again.log = list(lab.log[:cut])
        second = await again.run(w)
        assert second.divergence is None
        kept = {e.source_id for e in lab.log[:cut] if e.type == "TASK_COMPLETED" and e.name == "uuid4"}
        if len(kept) == len(plan):
            assert second.context.output == first.context.output

    asyncio.run(main())
