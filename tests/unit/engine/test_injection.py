"""Secrets and configs reach tasks and handlers that ask for them, and nothing that is recorded or shown."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import quote

import pytest

from flux import task, workflow
from flux.codec import HIDDEN, from_plain, to_plain
from flux.domain import Inquiry, InquiryKind
from flux.errors import ExecutionError, RetryError
from flux.tasks import Graph, parallel, pause, progress

KEY = "hunter2-Ünlocks"


@dataclass
class AskedDesk:
    """Answers with what it has, and remembers what it was asked."""

    secrets: dict = field(default_factory=lambda: {"API_KEY": KEY, "OTHER": "other-secret"})
    configs: dict = field(default_factory=lambda: {"limits": {"rows": 10}, "db_eu": "eu.example"})
    asked: list[Inquiry] = field(default_factory=list)

    async def ask(self, inquiry):
        self.asked.append(inquiry)
        kept = self.secrets if inquiry.kind is InquiryKind.SECRETS else self.configs
        return {name: from_plain(kept[name]) for name in inquiry.names if name in kept}


@pytest.fixture
def desk(lab):
    lab.desk = AskedDesk()
    return lab.desk


def stored(lab) -> bytes:
    """Everything that is written down of the execution."""
    payloads = [event.payload for event in lab.log if event.payload]
    waits = [event.wait for event in lab.log if event.wait]
    payloads += [wait.output for wait in waits if wait.output]
    texts = [f"{event.name} {event.source_id} {event.parent} {event.digest}" for event in lab.log]
    texts += [f"{wait.id} {wait.name} {wait.schema}" for wait in waits] + lab.progress
    return b"".join(payload.data + payload.preview.encode() for payload in payloads) + "\n".join(texts).encode()


def shown(lab, type, name=None):
    """What people see as the value of the first such event."""
    return next(to_plain(e.payload) for e in lab.log if e.type == type and name in (None, e.name))


@task.with_options(secret_requests=["API_KEY"], config_requests=["limits", "db_{region}"], metadata=True)
async def ask_all(region: str, *, secrets, config, metadata):
    return [len(secrets["API_KEY"]), config, metadata.task_name]


async def test_a_task_is_given_what_it_asks_for(lab, desk):
    @workflow
    async def w(ctx):
        return await ask_all("eu")

    session = await lab.run(w)
    assert session.context.output == [len(KEY), {"limits": {"rows": 10}, "db_eu": "eu.example"}, "ask_all"]
    assert shown(lab, "TASK_STARTED") == {"region": "eu"}
    assert lab.codec.redactor.found(stored(lab)) == []


async def test_a_sync_task_is_given_them_too(lab, desk):
    @task.with_options(secret_requests=["API_KEY"])
    def sync(secrets):
        return secrets == {"API_KEY": KEY}

    @workflow
    async def w(ctx):
        return await sync()

    assert (await lab.run(w)).context.output is True


async def test_who_asks_for_nothing_asks_nobody(lab, desk):
    @task
    async def plain(secrets=None):
        return secrets

    @workflow
    async def w(ctx):
        return await plain()

    assert (await lab.run(w)).context.output is None
    assert desk.asked == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"secret_requests": ["X", "API_KEY", "Y"]}, "The following secrets were not found: ['X', 'Y']"),
        ({"config_requests": ["x"]}, "The following configs were not found: ['x']"),
    ],
)
async def test_what_is_missing_fails_the_attempt(lab, desk, options, message):
    @task.with_options(retry_max_attempts=1, retry_delay=0, **options)
    async def needs(secrets=None, config=None): ...

    @workflow
    async def w(ctx):
        try:
            await needs()
        except ExecutionError as error:
            assert isinstance(error.inner_exception, RetryError)
            raise error.inner_exception.inner_exception from None

    output = (await lab.run(w)).context.output
    assert (type(output), str(output)) == (ValueError, message)
    assert len(desk.asked) == 2


async def test_each_attempt_sees_the_newest(lab, desk):
    @task.with_options(secret_requests=["API_KEY"], retry_max_attempts=2, retry_delay=0)
    async def call(secrets):
        if secrets["API_KEY"] == KEY:
            desk.secrets["API_KEY"] = "rotated-key"
            raise ValueError("401")
        return "ok"

    @workflow
    async def w(ctx):
        return await call()

    assert (await lab.run(w)).context.output == "ok"


async def test_a_finished_call_asks_no_more_at_replay(lab, desk):
    @task.with_options(secret_requests=["API_KEY"])
    async def call(secrets):
        return len(secrets)

    @workflow
    async def w(ctx):
        return [await call(), await pause("go")]

    await lab.run(w)
    assert len(desk.asked) == 1
    lab.answer("go", 1)
    assert (await lab.run(w)).context.output == [1, 1]
    assert len(desk.asked) == 1


async def test_secrets_of_the_workflow_are_given_to_tasks_that_take_secrets(lab, desk):
    @task
    async def takes(secrets):
        return sorted(secrets)

    @task.with_options(secret_requests=["API_KEY"])
    async def takes_more(secrets):
        return sorted(secrets)

    @task
    async def takes_none():
        return []

    @task
    async def has_its_own(secrets):
        return secrets

    @workflow.with_options(secret_requests=["OTHER"])
    async def w(ctx):
        return [await takes(), await takes_more(), await takes_none(), await has_its_own("mine")]

    assert (await lab.run(w)).context.output == [["OTHER"], ["API_KEY", "OTHER"], [], "mine"]


@task.with_options(secret_requests=["OTHER"])
async def handling_task(number, secrets):
    return [number, sorted(secrets)]


async def keyword(number, *, secrets):
    return [number, secrets["API_KEY"] == KEY]


async def only_secrets(secrets, config):
    return [sorted(secrets), config]


@pytest.mark.parametrize(
    ("handler", "value"),
    [
        (keyword, [1, True]),
        (only_secrets, [["API_KEY"], {"limits": {"rows": 10}}]),
        (lambda number: number, 1),
        (lambda: "none", "none"),
        (lambda *args, **kwargs: [args, kwargs], [(1,), {}]),
        (handling_task, [1, ["OTHER"]]),
    ],
    ids=["keyword", "only injected", "arguments", "nothing", "anything", "task"],
)
async def test_a_fallback_is_given_what_it_takes(lab, desk, handler, value):
    @task.with_options(secret_requests=["API_KEY"], config_requests=["limits"], fallback=handler)
    async def fails(number, secrets, config):
        raise ValueError("no")

    @workflow
    async def w(ctx):
        return await fails(1)

    assert (await lab.run(w)).context.output == value


async def test_a_rollback_is_given_secrets_too(lab, desk):
    seen = []

    @task.with_options(secret_requests=["API_KEY"], rollback=lambda number, secrets: seen.append((number, secrets)))
    async def fails(number, secrets):
        raise ValueError("no")

    @workflow
    async def w(ctx):
        await fails(1)

    await lab.run(w)
    assert seen == [(1, {"API_KEY": KEY})]


@task.with_options(secret_requests=["API_KEY"])
async def reveal(secrets):
    return secrets["API_KEY"]


@task.with_options(name="load_{what}")
async def load(what):
    return f"loaded {quote(str(what))}"


@task.with_options(retry_max_attempts=1, retry_delay=0)
async def reject(what):
    raise ValueError(f"rejected {what!r}")


@workflow
async def spread(ctx):
    """Carries a secret to wherever one can be carried."""
    key = await reveal()
    await load(key)
    await progress({"working with": [key]})
    graph = Graph(f"of {key}").add_node("load", load).start_with("load").end_with("load")
    results = await parallel(graph(base64.b64encode(key.encode())), load({"nested": [(key,)]}))
    try:
        await reject(key)
    except ExecutionError as error:
        results.append(str(error))
    answer = await pause(f"about {key}", output={"shown": key}, schema={"description": key})
    if answer == key:
        raise ValueError(f"end of {key}")
    return results


async def test_nothing_that_carries_a_secret_is_stored_or_shown(lab, desk):
    session = await lab.run(spread)
    assert session.context.is_paused, session.context.output
    assert lab.progress == [f'"{HIDDEN}"'.replace("•", "\\u2022")]
    assert f"load_{HIDDEN}" in {event.name for event in lab.log}
    assert shown(lab, "TASK_COMPLETED", "reveal") == HIDDEN
    assert shown(lab, "WORKFLOW_PAUSED") == {"name": f"about {HIDDEN}", "output": HIDDEN}
    assert shown(lab, "TASK_FAILED", "reject")["message"].startswith(f"ValueError: rejected '{HIDDEN}'")
    assert lab.codec.redactor.found(stored(lab)) == []

    lab.answer(f"about {HIDDEN}", KEY)
    output = (await lab.run(spread)).context.output
    assert str(output) == f"end of {KEY}"
    assert shown(lab, "WORKFLOW_FAILED")["message"] == f"end of {HIDDEN}"
    assert lab.codec.redactor.found(stored(lab)) == []
    assert KEY not in session.context.to_json()


async def test_another_process_goes_on_and_hides_the_same(lab, new_lab, desk):
    await lab.run(spread)
    elsewhere = new_lab()
    elsewhere.log, elsewhere.generation, elsewhere.desk = lab.log, lab.generation, desk
    assert not elsewhere.codec.redactor.active
    elsewhere.answer(f"about {HIDDEN}", "no")
    session = await elsewhere.run(spread)
    assert session.context.has_succeeded, session.context.output
    assert len(desk.asked) == 1
    assert lab.codec.redactor.found(stored(elsewhere)) == []


@pytest.mark.parametrize("knows_first", [True, False])
async def test_names_are_recognised_whatever_a_process_knows(lab, new_lab, knows_first):
    """A secret that came some other way is hidden in names by those who know it; replay minds neither."""

    @workflow
    async def w(ctx):
        return [await load(KEY), await parallel(load(KEY), load("x")), await pause("go")]

    elsewhere = new_lab()
    (lab if knows_first else elsewhere).codec.redactor.learn([KEY])
    await lab.run(w)
    elsewhere.log, elsewhere.generation = lab.log, lab.generation
    elsewhere.answer("go", 1)
    session = await elsewhere.run(w)
    assert session.context.has_succeeded, session.context.output
    assert sum(event.type == "TASK_STARTED" and event.name.startswith("load_") for event in elsewhere.log) == 3


async def test_a_name_is_cut_behind_what_is_hidden_in_it(lab):
    """A cut secret would not be recognised any more."""
    key = "secret-" + "0123456789" * 40
    lab.codec.redactor.learn([key])

    @workflow
    async def w(ctx):
        return await load(key)

    await lab.run(w)
    assert {event.name for event in lab.log if event.type == "TASK_STARTED"} == {f"load_{HIDDEN}"}
    assert b"secret-" not in stored(lab)


async def test_a_divergence_and_a_dry_replay_tell_no_piece_of_a_secret(lab):
    key = "secret-" + "0123456789" * 20
    lab.codec.redactor.learn([key])

    @task
    async def take(value):
        return value

    def carrying(value):
        @workflow
        async def w(ctx):
            await take(value)
            await pause("go")
            await take([value])

        return w

    await lab.run(carrying("before"))
    verdict = await lab.dry(carrying(key))
    assert HIDDEN in verdict.divergence["attempted"]
    lab.answer("go", 1)
    goes_on = await lab.dry(carrying("before"))
    await lab.run(carrying(key))
    assert "secret-" not in f"{verdict} {goes_on}"
    assert b"secret-" not in stored(lab)
    assert HIDDEN in str(to_plain(lab.log[-1].payload))


async def test_a_dry_replay_compares_what_is_sealed(lab, new_lab, desk):
    @workflow
    async def w(ctx):
        return [await reveal()]

    await lab.run(w)
    elsewhere = new_lab()
    elsewhere.log, elsewhere.generation = lab.log, lab.generation
    verdict = await elsewhere.dry(w)
    assert (verdict.outcome, "another output" in verdict.detail) == ("ends", False)
