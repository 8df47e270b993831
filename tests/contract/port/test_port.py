"""What every adapter of the worker port has to do, whichever way the calls travel."""

import asyncio
import json

import pytest

from flux.codec import Payload, from_plain, to_plain
from flux.dispatch.bus import Progressed
from flux.dispatch.port import (
    Answered,
    Assigned,
    CancelRequested,
    Checkpoint,
    ProbeRequested,
    ProbeResult,
    Progress,
    ReplayRequested,
    ReplayResult,
    RunnerDied,
    ValidationRequested,
    ValidationResult,
)
from flux.domain import (
    ExecutionEventType,
    ExecutionState,
    Inquiry,
    InquiryKind,
    LogLine,
    Manifest,
    Module,
    Wait,
    WaitKind,
    WorkflowRef,
    WorkflowSpec,
)
from flux.domain.verdict import Outcome, Verdict, diverges
from flux.engine.source import bundle_of
from flux.errors import (
    ExecutionContextNotFoundError,
    InvalidInputError,
    NonDeterminismError,
    RunnerNotAvailableError,
    StaleClaimError,
    VersionNotFoundError,
    WorkerNotFoundError,
)

REF = WorkflowRef("default", "hello")
OTHER = bundle_of("hello", {"hello": Module("/src/hello.py", "x = 2")})
E = ExecutionEventType


async def test_an_execution_from_assignment_to_its_end(bench):
    async with bench.joined() as queue:
        execution_id = await bench.start({"n": 1})
        assert await bench.next(queue, Assigned) == Assigned(execution_id, bench.bundle.digest)
        assert await bench.port.bundle("w1", bench.bundle.digest) == bench.bundle
        claim = await bench.port.claim("w1", execution_id)
        assert (claim.execution.owner, to_plain(claim.execution.input)) == ("w1", {"n": 1})
        assert [event.type for event in claim.history] == [E.WORKFLOW_SCHEDULED, E.WORKFLOW_CLAIMED]
        waiting = bench.services.executions.settled(claim.execution)
        acknowledged = await bench.send(
            claim, bench.event(E.WORKFLOW_STARTED, claim, 1), bench.event(E.TASK_STARTED, claim, 2)
        )
        assert (acknowledged.ordinal, acknowledged.first_seq) == (2, 3)
        done = bench.event(E.WORKFLOW_COMPLETED, claim, 3, payload=from_plain("Hi"))
        assert (await bench.send(claim, done, release=True)).first_seq == 5
        finished = await waiting
        assert (finished.state, to_plain(finished.output)) == (ExecutionState.COMPLETED, "Hi")


async def test_delivering_a_checkpoint_twice_changes_nothing(bench):
    async with bench.joined() as queue:
        await bench.start()
        claim = await bench.claimed(queue)
        started = bench.event(E.WORKFLOW_STARTED, claim, 1)
        assert await bench.send(claim, started) == await bench.send(claim, started)
        other = bench.event(E.WORKFLOW_FAILED, claim, 1)
        with pytest.raises(StaleClaimError):
            await bench.send(claim, other)


async def test_concurrent_checkpoints_of_many_executions(bench):
    async with bench.joined(slots=50) as queue:
        ids = [await bench.start(number) for number in range(30)]
        claims = [await bench.claimed(queue) for _ in ids]
        await asyncio.gather(*(bench.send(claim, bench.event(E.WORKFLOW_STARTED, claim, 1)) for claim in claims))
        ends = [bench.event(E.WORKFLOW_COMPLETED, claim, 2) for claim in claims]
        await asyncio.gather(*(bench.send(c, end, release=True) for c, end in zip(claims, ends, strict=True)))
        page = await bench.services.store.executions.list(limit=100)
        assert {one.state for one in page.items} == {ExecutionState.COMPLETED}


async def test_stale_owners_are_refused(bench):
    async with bench.joined() as queue:
        execution_id = await bench.start()
        claim = await bench.claimed(queue)
        await bench.services.dispatcher.requeue([(execution_id, claim.execution.generation)])
        with pytest.raises(StaleClaimError):
            await bench.send(claim, bench.event(E.WORKFLOW_STARTED, claim, 1))


async def test_what_somebody_else_has_cannot_be_claimed(bench):
    async with bench.joined() as queue:
        execution_id = await bench.start()
        await bench.claimed(queue)
        await bench.services.port.register(type(bench.services.presence.get("w1").registration)("w2", 1))
        with pytest.raises(StaleClaimError):
            await bench.services.port.claim("w2", execution_id)


async def test_unknown_versions(bench):
    async with bench.joined():
        with pytest.raises(VersionNotFoundError):
            await bench.port.bundle("w1", "nope")


async def test_answers_and_cancellations_reach_the_owner(bench):
    async with bench.joined() as queue:
        execution_id = await bench.start()
        claim = await bench.claimed(queue)
        wait = Wait("a-1", "a", WaitKind.INPUT)
        await bench.send(
            claim, bench.event(E.WORKFLOW_STARTED, claim, 1), bench.event(E.TASK_PAUSED, claim, 2, "a-1", wait=wait)
        )
        await bench.services.executions.resume(execution_id, {"ok": True})
        answered = await bench.next(queue, Answered)
        assert (answered.event.wait_id, to_plain(answered.event.payload)) == ("a-1", {"ok": True})
        await bench.services.executions.cancel(execution_id)
        cancelled = await bench.next(queue, CancelRequested)
        assert (cancelled.event.type, cancelled.event.seq) == (E.WORKFLOW_CANCELLING, 6)


async def test_released_pauses_come_back_with_their_answer(bench):
    async with bench.joined() as queue:
        execution_id = await bench.start()
        claim = await bench.claimed(queue)
        wait = Wait("a-1", "a", WaitKind.INPUT)
        await bench.send(
            claim,
            bench.event(E.WORKFLOW_STARTED, claim, 1),
            bench.event(E.TASK_PAUSED, claim, 2, "a-1", wait=wait),
            bench.event(E.WORKFLOW_PAUSED, claim, 3),
            release=True,
        )
        await bench.services.executions.resume(execution_id, 5)
        again = await bench.claimed(queue)
        assert again.execution.generation > claim.execution.generation
        assert [event.type for event in again.history[-3:]] == [
            E.WORKFLOW_RESUMING,
            E.WORKFLOW_RESUME_SCHEDULED,
            E.WORKFLOW_RESUME_CLAIMED,
        ]


async def test_questions_are_answered(bench):
    schema = {"type": "string", "minLength": 1}
    await bench.services.store.catalog.publish([WorkflowSpec("default", "hello", input_schema=schema)], bench.bundle)
    async with bench.joined() as queue:
        starting = asyncio.ensure_future(bench.start("x"))
        asked = await bench.next(queue, ValidationRequested)
        assert (asked.digest, asked.kind, to_plain(asked.value)) == (bench.bundle.digest, "input", "x")
        errors = ({"loc": [], "msg": "no", "type": "value_error"},)
        await bench.port.validated("w1", ValidationResult(asked.request_id, errors))
        with pytest.raises(InvalidInputError):
            await starting
        probing = asyncio.ensure_future(bench.services.questions.probe(bench.bundle))
        asked = await bench.next(queue, ProbeRequested)
        assert asked.bundle == bench.bundle
        manifest = Manifest((WorkflowSpec("default", "hello", input_schema=schema, options={"timeout": 5}),))
        await bench.port.probed("w1", ProbeResult(asked.request_id, manifest))
        assert (await probing).manifest == manifest


async def test_logs_and_progress(bench):
    async with bench.joined() as queue:
        await bench.start()
        claim = await bench.claimed(queue)
        with bench.services.bus.subscribe(claim.execution.id) as subscription:
            await bench.port.progress("w1", Progress(claim.execution.id, "t-1", "load", json.dumps({"done": 3})))
            (message,) = await subscription.batch(timeout=5)
            assert isinstance(message, Progressed)
            assert (message.progress.value, message.execution.id) == ('{"done": 3}', claim.execution.id)
        lines = [LogLine(1, "INFO", "stdout", "one", claim.execution.id, "say"), LogLine(2, "WARNING", "stderr", "two")]
        await bench.port.logs("w1", lines)
        kept = await bench.services.store.logs.read()
        assert [(line.text, line.execution_id, line.level) for line in kept] == [
            ("one", claim.execution.id, "INFO"),
            ("two", "", "WARNING"),
        ]


async def test_dead_runners_give_their_executions_back(bench):
    async with bench.joined() as queue:
        execution_id = await bench.start()
        claim = await bench.claimed(queue)
        death = RunnerDied((execution_id,), (claim.execution.generation,), "signal 9", alone=False)
        await bench.port.died("w1", death)
        again = await bench.claimed(queue)
        assert again.execution.id == execution_id


async def test_heartbeats_keep_the_worker(bench):
    async with bench.joined() as queue:
        await bench.start()
        claim = await bench.claimed(queue)
        await bench.port.heartbeat("w1", [claim.execution.id])
        assert bench.services.presence.get("w1").free == 9
        await bench.port.leave("w1")
        with pytest.raises(WorkerNotFoundError):
            await bench.port.heartbeat("w1", [])


async def test_leaving_gives_everything_back(bench):
    async with bench.joined() as queue:
        execution_id = await bench.start()
        claim = await bench.claimed(queue)
        await bench.port.leave("w1")
        execution = await bench.services.store.executions.get(execution_id)
        assert execution.owner == ""
        with pytest.raises(StaleClaimError):
            await bench.port.checkpoint(
                "w1", Checkpoint(execution_id, claim.execution.generation, (bench.event(E.WORKFLOW_STARTED, claim, 1),))
            )
    async with bench.joined(pid=2) as queue:
        assert (await bench.claimed(queue)).execution.id == execution_id


async def test_reconnecting_goes_on_where_it_was(bench):
    async with bench.joined() as queue:
        execution_id = await bench.start()
        claim = await bench.claimed(queue)
    unfetched = await bench.start()
    async with bench.joined() as queue:
        assert bench.services.presence.get("w1").assigned.keys() >= {execution_id}
        assert (await bench.next(queue, Assigned)).execution_id == unfetched
        await bench.send(claim, bench.event(E.WORKFLOW_STARTED, claim, 1))


async def test_a_timer_recorded_before_the_release_still_fires(bench):
    async with bench.joined() as queue:
        await bench.start()
        claim = await bench.claimed(queue)
        soon = bench.services.clock.now() + 50_000
        wait = Wait("s-1", "sleep", WaitKind.TIMER, wake_at=soon)
        started = bench.event(E.WORKFLOW_STARTED, claim, 1)
        await bench.send(claim, started, bench.event(E.TASK_WAITING, claim, 2, "s-1", wait=wait))
        await bench.send(claim, release=True)
        again = await bench.claimed(queue)
        assert again.execution.id == claim.execution.id
        assert bench.services.clock.now() >= soon


async def test_what_running_code_asks_for(bench):
    async with bench.joined() as queue:
        await bench.start()
        claim = await bench.claimed(queue)
        kept = Payload(b"\x00", "dill", "thing")
        write = Inquiry(InquiryKind.CACHE_WRITE, ("k",), kept)
        assert await bench.port.ask("w1", claim.execution.id, write) == {}
        read = Inquiry(InquiryKind.CACHE_READ, ("k", "missing"))
        assert await bench.port.ask("w1", claim.execution.id, read) == {"k": kept}
        await bench.services.store.secrets.set("A", "hunter2!")
        await bench.services.store.configs.set("c", Payload(b'{"n":1}'))
        for kind, answer in ((InquiryKind.SECRETS, {"A": b'"hunter2!"'}), (InquiryKind.CONFIGS, {"c": b'{"n":1}'})):
            told = await bench.port.ask("w1", claim.execution.id, Inquiry(kind, ("A", "c")))
            assert {name: payload.data for name, payload in told.items()} == answer


async def test_only_the_holder_of_an_execution_may_ask(bench):
    async with bench.joined():
        execution_id = "not-held"
        with pytest.raises(StaleClaimError):
            await bench.port.ask("w1", execution_id, Inquiry(InquiryKind.CACHE_READ, ("k",)))


async def test_histories_are_replayed_by_a_worker(bench):
    async with bench.joined() as queue:
        ids = [await bench.start(number) for number in (1, 2)]
        checking = asyncio.create_task(bench.services.replays.check(REF, OTHER))
        asked = await bench.next(queue, ReplayRequested)
        assert (asked.bundle, sorted(asked.execution_ids)) == (OTHER, sorted(ids))
        waits = Verdict(Outcome.WAITS, "waits at input 'a'", "/src/hello.py:2")
        parts = diverges(NonDeterminismError(recorded="a()", attempted="b()", cause="replaced"))
        await bench.port.replayed("w1", ReplayResult(asked.request_id, (waits, parts)))
        checked = await checking
        assert [(one.id, verdict) for one, verdict in checked.found] == list(
            zip(asked.execution_ids, (waits, parts), strict=True)
        )
        assert checked.next_cursor is None


async def test_histories_come_in_pages(bench, monkeypatch):
    monkeypatch.setattr("flux.dispatch.replaying.PAGE_EVENTS", 3)
    async with bench.joined() as queue:
        execution_id = await bench.start()
        claim = await bench.claimed(queue)
        large = from_plain("x" * 3_000_000)
        events = [bench.event(E.TASK_STARTED, claim, ordinal, payload=large) for ordinal in (1, 2)]
        await bench.send(claim, *events)
        pages = [await bench.port.history("w1", execution_id)]
        while pages[-1].events:
            pages.append(await bench.port.history("w1", execution_id, pages[-1].events[-1].seq))
        assert [[event.seq for event in page.events] for page in pages] == [[1, 2, 3], [4], []]
        assert {page.execution.last_seq for page in pages} == {4}
        stored = await bench.services.store.executions.history(execution_id)
        assert [event for page in pages for event in page.events] == stored
    with pytest.raises(ExecutionContextNotFoundError):
        await bench.port.history("w1", "nope")


async def test_nobody_to_replay_with(bench):
    await bench.start()
    with pytest.raises(RunnerNotAvailableError):
        await bench.services.replays.check(REF, OTHER)
