"""The agent with real runners on a scripted server."""

from __future__ import annotations

import asyncio
import dataclasses
import os

import pytest

from flux.codec import from_plain
from flux.dispatch.port import CancelRequested, Prewarm, ProbeRequested, ValidationRequested
from flux.domain import EventRecord, ExecutionEventType, ExecutionState
from flux.errors import ExecutionError, ServerUnavailableError, StaleClaimError, UnauthorizedError
from flux.testing import FakeClock
from flux.worker.agent import Agent
from flux.worker.frames import Ack, Append, Cancel, Gone

PATIENCE = 30.0

GREET = """
    import asyncio, os

    @task
    async def greet(name):
        return f"Hello, {name}"

    @workflow
    async def hello(ctx):
        return await greet(ctx.input)
"""
WAITING = """
    import asyncio

    @workflow
    async def lingers(ctx):
        print("begun")
        await asyncio.Event().wait()
"""


async def test_an_execution_runs_in_a_runner_and_its_events_come_back(port, start, bundle):
    start()
    execution_id = port.submit(bundle(GREET), "hello", "Ada")
    assert await port.finished(execution_id) == "Hello, Ada"
    assert port.types(execution_id) == ["WORKFLOW_STARTED", "TASK_STARTED", "TASK_COMPLETED", "WORKFLOW_COMPLETED"]
    assert [event.ordinal for event in port.events[execution_id]] == [1, 2, 3, 4]
    assert port.released == [execution_id]


async def test_the_worker_introduces_itself(port, start, bundle):
    start(slots=7, labels={"zone": "a"})
    await port.until(lambda: port.registrations)
    (registration,) = port.registrations
    assert (registration.name, registration.slots, registration.labels) == ("w1", 7, {"zone": "a"})
    assert registration.pid == os.getpid()
    assert registration.packages["msgspec"]
    assert registration.resources["cpu_total"] >= 1


async def test_many_executions_share_a_runner(port, start, bundle):
    agent = start()
    code = bundle(GREET)
    ids = [port.submit(code, "hello", number) for number in range(50)]
    assert [await port.finished(one) for one in ids] == [f"Hello, {number}" for number in range(50)]
    assert len([runner for runner in agent.pool.runners if runner.digest]) == 1


async def test_user_code_runs_in_the_given_folder(port, start, bundle, tmp_path):
    start()
    code = bundle("import os\n@workflow\nasync def where(ctx):\n    return os.getcwd()\n")
    assert await port.finished(port.submit(code, "where")) == str(tmp_path)


async def test_runners_have_no_credentials(port, start, bundle, monkeypatch):
    monkeypatch.setenv("FLUX_WORKERS__BOOTSTRAP_TOKEN", "t0ken")
    monkeypatch.setenv("FLUX_SECURITY__ENCRYPTION_KEY", "k3y")
    monkeypatch.setenv("MY_OWN", "kept")
    start()
    code = bundle("""
        import os

        @workflow
        async def env(ctx):
            return sorted(name for name in os.environ if name.startswith(("FLUX_", "MY_OWN")))
    """)
    assert await port.finished(port.submit(code, "env")) == ["MY_OWN"]


async def test_a_stale_claim_ends_the_execution_quietly(port, start, bundle):
    agent = start()
    port.refusals.append(StaleClaimError("taken"))
    code = bundle(GREET)
    first = port.submit(code, "hello", "Ada")
    await port.until(lambda: not port.refusals)
    second = port.submit(code, "hello", "Bo")
    assert await port.finished(second) == "Hello, Bo"
    assert port.events[first] == []
    assert port.deaths == []
    assert first not in agent.running


async def test_checkpoints_are_sent_again_after_a_lost_connection(port, start, bundle):
    start()
    port.refusals += [ServerUnavailableError("gone"), ServerUnavailableError("still gone")]
    execution_id = port.submit(bundle(GREET), "hello", "Ada")
    assert await port.finished(execution_id) == "Hello, Ada"
    assert [event.ordinal for event in port.events[execution_id]] == [1, 2, 3, 4]
    assert len(port.registrations) > 1


async def test_executions_keep_running_while_the_connection_is_down(port, start, bundle):
    seen = []
    start(on_connection=lambda up, reason: seen.append((up, reason)))
    execution_id = port.submit(bundle(GREET), "hello", "Ada")
    port.deliver(ServerUnavailableError("cut"))
    assert await port.finished(execution_id) == "Hello, Ada"
    await port.until(lambda: len(port.registrations) == 2)
    assert seen[:3] == [(True, ""), (False, "cut"), (True, "")]


async def test_a_refused_worker_gives_up(port):
    async def refuse(registration):
        raise UnauthorizedError("wrong token")

    port.register = refuse
    with pytest.raises(UnauthorizedError):
        await Agent(port, name="w1").run()


async def test_heartbeats_name_what_runs(port, start, bundle):
    clock = FakeClock()
    start(clock=clock)
    execution_id = port.submit(bundle(WAITING), "lingers")
    await port.until(lambda: "begun" in port.texts())
    clock.advance(5.0)
    await port.until(lambda: (execution_id,) in port.heartbeats)


async def test_a_cancel_request_reaches_the_running_code(port, start, bundle):
    start()
    execution_id = port.submit(bundle(WAITING), "lingers")
    await port.until(lambda: "begun" in port.texts(execution_id) and port.events[execution_id])
    event = EventRecord(ExecutionEventType.WORKFLOW_CANCELLING, "server", "", 0, "c1")
    port.deliver(CancelRequested(execution_id, port._append(execution_id, [event])[0]))
    await port.finished(execution_id)
    assert port.state(execution_id) is ExecutionState.CANCELLED


async def test_an_answered_pause_goes_on(port, start, bundle):
    start()
    code = bundle("""
        from flux.tasks import pause

        @workflow
        async def asks(ctx):
            return await pause("approval")
    """)
    execution_id = port.submit(code, "asks")
    await port.until(lambda: port.state(execution_id) is ExecutionState.PAUSED)
    wait = next(event.wait for event in port.events[execution_id] if event.wait)
    port.answer(execution_id, "yes", wait.id)
    port.offer(execution_id)
    assert await port.finished(execution_id) == "yes"
    assert port.executions[execution_id].generation == 2


async def test_values_are_validated_by_the_code_of_the_version(port, start, bundle):
    start()
    code = bundle("""
        import dataclasses
        from flux.engine.context import ExecutionContext

        @dataclasses.dataclass
        class Order:
            id: int

        @workflow
        async def order(ctx: ExecutionContext[Order]):
            return ctx.input.id
    """)
    port.bundles[code.digest] = code
    for request, value in (("good", {"id": 3}), ("bad", {"id": "x"})):
        port.deliver(ValidationRequested(request, code.digest, "default", "order", "input", from_plain(value)))
    await port.until(lambda: len(port.validations) == 2)
    assert port.validations["good"] == ()
    (error,) = port.validations["bad"]
    assert error["loc"] == ["id"]


async def test_answers_are_validated_by_schema(port, start, bundle):
    start()
    code = bundle(GREET)
    port.bundles[code.digest] = code
    port.deliver(
        ValidationRequested("r", code.digest, "default", "hello", "answer", from_plain("x"), '{"type": "integer"}')
    )
    await port.until(lambda: port.validations)
    assert port.validations["r"][0]["type"] == "type"


async def test_a_value_for_code_that_cannot_be_imported_is_refused(port, start, bundle):
    start()
    code = bundle("1/0\n")
    port.bundles[code.digest] = code
    port.deliver(ValidationRequested("r", code.digest, "default", "x", "input", from_plain(1)))
    await port.until(lambda: port.validations)
    assert "ZeroDivisionError" in str(port.validations["r"][0]["msg"])


async def test_a_probe_tells_what_is_in_the_file_and_keeps_its_runner(port, start, bundle):
    agent = start()
    code = bundle(GREET)
    port.deliver(ProbeRequested("p", code))
    await port.until(lambda: port.probes)
    (spec,) = port.probes["p"].manifest.workflows
    assert (str(spec.ref), spec.attribute, spec.tasks) == ("default/hello", "hello", ("greet",))
    (probed,) = [runner.pid for runner in agent.pool.runners if runner.digest == code.digest]
    assert await port.finished(port.submit(code, "hello", "Ada")) == "Hello, Ada"
    assert [runner.pid for runner in agent.pool.runners if runner.digest == code.digest] == [probed]


async def test_a_failing_probe_names_the_place(port, start, bundle):
    start()
    port.deliver(ProbeRequested("p", bundle("x = 1\nx.nothing\n")))
    await port.until(lambda: port.probes)
    result = port.probes["p"]
    assert result.error == "AttributeError: 'int' object has no attribute 'nothing'"
    assert (result.path, result.line) == ("/srv/app/flows.py", 4)


async def test_prewarming_makes_a_runner_ready(port, start, bundle):
    agent = start()
    code = bundle(GREET)
    port.bundles[code.digest] = code
    port.deliver(Prewarm(code.digest))
    port.deliver(ProbeRequested("later", bundle(WAITING)))
    await port.until(lambda: port.probes)
    await asyncio.wait_for(agent.pool.runner_for(code.digest), 30)
    assert len([runner for runner in agent.pool.runners if runner.digest == code.digest]) == 1


async def test_code_that_cannot_be_imported_is_reported_as_a_death(port, start, bundle):
    agent = start()
    execution_id = port.submit(bundle("import not_installed_here\n"), "x")
    await port.until(lambda: port.deaths)
    (death,) = port.deaths
    assert (death.execution_ids, death.generations, death.alone) == ((execution_id,), (1,), True)
    assert "No module named 'not_installed_here'" in death.reason
    assert agent.running == ()


async def test_a_workflow_that_is_not_in_the_code_fails(port, start, bundle):
    start()
    error = await port.finished(port.submit(bundle(GREET), "other"))
    assert "'default/other' is not in /srv/app/flows.py" in str(error)


async def test_stopping_lets_what_runs_finish(port, start, bundle):
    agent = start()
    code = bundle("""
        import asyncio

        @workflow
        async def slow(ctx):
            print("begun")
            await asyncio.sleep(0.3)
            return "done"
    """)
    execution_id = port.submit(code, "slow")
    await port.until(lambda: "begun" in port.texts())
    await agent.stop(grace=20)
    assert port.ending(execution_id).type is ExecutionEventType.WORKFLOW_COMPLETED
    assert port.left == ["w1"]


async def test_stopping_without_grace_hands_the_rest_back(port, start, bundle):
    agent = start()
    execution_id = port.submit(bundle(WAITING), "lingers")
    await port.until(lambda: "begun" in port.texts())
    pids = [runner.pid for runner in agent.pool.runners]
    await agent.stop()
    assert port.left == ["w1"]
    assert port.state(execution_id) is not ExecutionState.COMPLETED
    assert port.deaths == []
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_failed_task_arrives_with_its_exception(port, start, bundle):
    start()
    code = bundle("""
        @task
        async def charge():
            raise ValueError("no money")

        @workflow
        async def pay(ctx):
            await charge()
    """)
    error = await port.finished(port.submit(code, "pay"))
    assert isinstance(error, ExecutionError)
    assert "no money" in str(error)


async def test_an_execution_given_out_again_starts_anew_here(port, start, bundle):
    """Its lease had run out; what still runs of it under the old claim is ended first."""
    agent = start()
    execution_id = port.submit(bundle(WAITING), "lingers")
    await port.until(lambda: port.texts(execution_id) == ["begun"])
    port.executions[execution_id] = dataclasses.replace(port.executions[execution_id], owner="")
    port.offer(execution_id)
    await port.until(lambda: port.texts(execution_id) == ["begun", "begun"])
    assert port.executions[execution_id].generation == 2
    assert agent.running == (execution_id,)
    assert [len(runner.executions) for runner in agent.pool.runners if runner.digest] == [1]


async def test_an_offer_of_what_runs_here_changes_nothing(port, start, bundle):
    agent = start()
    execution_id = port.submit(bundle(WAITING), "lingers")
    await port.until(lambda: port.texts(execution_id) == ["begun"])
    port.offer(execution_id)
    other = port.submit(bundle(GREET), "hello", "Ada")
    assert await port.finished(other) == "Hello, Ada"
    assert execution_id in agent.running
    assert port.texts(execution_id) == ["begun"]


SLOW_IMPORT = """
    import asyncio, time

    time.sleep(0.3)

    @workflow
    async def lingers(ctx):
        await asyncio.Event().wait()
"""


def cancelling(port, execution_id):
    event = EventRecord(ExecutionEventType.WORKFLOW_CANCELLING, "server", "", 0, "c1")
    return CancelRequested(execution_id, port._append(execution_id, [event])[0])


async def test_a_cancel_request_right_after_the_claim_reaches_code_that_is_being_imported(port, start, bundle):
    start()
    execution_id = port.submit(bundle(SLOW_IMPORT), "lingers")
    await port.until(lambda: port.registrations)
    async with asyncio.timeout(PATIENCE):
        while not port.executions[execution_id].owner:
            await asyncio.sleep(0)
    port.deliver(cancelling(port, execution_id))
    await port.finished(execution_id)
    assert port.state(execution_id) is ExecutionState.CANCELLED


async def test_a_cancel_request_that_overtakes_the_claim_is_kept_for_it(port, start, bundle):
    claim, asked, go = port.claim, asyncio.Event(), asyncio.Event()

    async def slow_claim(worker, execution_id):
        found = await claim(worker, execution_id)
        asked.set()
        await go.wait()
        return found

    port.claim = slow_claim
    start()
    execution_id = port.submit(bundle(WAITING), "lingers")
    async with asyncio.timeout(PATIENCE):
        await asked.wait()
    port.deliver(cancelling(port, execution_id))
    registered = len(port.registrations)
    port.deliver(ServerUnavailableError("cut"))  # its turn comes when the request has been taken
    await port.until(lambda: len(port.registrations) > registered)
    go.set()
    await port.finished(execution_id)
    assert port.state(execution_id) is ExecutionState.CANCELLED


async def test_answers_to_an_earlier_claim_do_not_reach_a_later_one(port, start, bundle):
    agent = start()
    execution_id = port.submit(bundle(WAITING), "lingers")
    await port.until(lambda: port.texts(execution_id) == ["begun"])
    port.executions[execution_id] = dataclasses.replace(port.executions[execution_id], owner="")
    port.offer(execution_id)
    await port.until(lambda: port.texts(execution_id) == ["begun", "begun"])
    (runner,) = [runner for runner in agent.pool.runners if runner.executions]
    stale = Append(execution_id, 1, (), release=True)
    agent._refused(stale, "generation is 2, not 1")
    agent._acknowledged(stale, 5)
    agent.on_frame(runner, stale)
    agent.on_frame(runner, Gone(execution_id, 1))
    runner.send(Ack(execution_id, 1, error="the claim of generation 1 has ended"))
    runner.send(Cancel(execution_id, 1, cancelling(port, execution_id).event))
    other = port.submit(next(iter(port.bundles.values())), "lingers")
    await port.until(lambda: port.texts(other) == ["begun"])
    assert set(agent.running) == {execution_id, other}
    assert runner.executions == {execution_id: 2, other: 1}
    assert not port.released
    port.deliver(cancelling(port, execution_id))
    await port.finished(execution_id)
    assert port.executions[execution_id].generation == 2


async def test_a_blocked_runner_does_not_hold_up_a_validation(port, start, bundle, tmp_path):
    agent = start()
    gate = tmp_path / "go"
    code = bundle(f"""
        import dataclasses, pathlib, time
        from flux.engine.context import ExecutionContext

        @dataclasses.dataclass
        class Order:
            id: int

        @workflow
        async def blocks(ctx: ExecutionContext[Order]):
            print("begun", flush=True)
            while not pathlib.Path({str(gate)!r}).exists():
                time.sleep(0.01)
    """)
    execution_id = port.submit(code, "blocks", {"id": 1})
    await port.until(lambda: port.events[execution_id] or "begun" in port.texts())
    port.deliver(ValidationRequested("bad", code.digest, "default", "blocks", "input", from_plain({"id": "x"})))
    port.deliver(ValidationRequested("good", code.digest, "default", "blocks", "input", from_plain({"id": 3})))
    await port.until(lambda: len(port.validations) == 2)
    assert port.validations["good"] == ()
    assert port.validations["bad"][0]["loc"] == ["id"]
    assert not port.ending(execution_id)
    assert len([runner for runner in agent.pool.runners if runner.digest == code.digest]) == 2
    gate.touch()
    assert await port.finished(execution_id) is None
    assert port.deaths == []
