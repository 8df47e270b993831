"""Secrets and configs over HTTP, and that nothing which arrives with a secret in it leaves with it."""

from __future__ import annotations

import base64
import json

import httpx
import pytest

from flux.client import FluxClient
from flux.codec import HIDDEN, Redactor, from_plain, to_plain
from flux.config import Settings
from flux.dispatch.bus import Logged, Progressed
from flux.dispatch.port import Checkpoint, Progress, RunnerDied
from flux.domain import ExecutionEventType as E
from flux.domain import Inquiry, InquiryKind, LogLine, Wait, WaitKind
from flux.errors import ConfigNotFoundError, SecretNotFoundError
from flux.security import Tokens
from flux.server.app import create_app

SECRET = 'hunter2"/ü'


@pytest.fixture
def settings(tmp_path):
    return Settings(home=str(tmp_path / "home"), workers={"retry_attempts": 0})


@pytest.fixture
async def flux_client(app):
    async with FluxClient("http://localhost", transport=httpx.ASGITransport(app)) as made:
        yield made


async def test_secrets_are_set_listed_revealed_and_removed(client):
    done = await client.post("/admin/secrets", json={"name": "API_KEY", "value": SECRET})
    assert (done.status_code, done.json()) == (
        200,
        {"status": "success", "message": "Secret 'API_KEY' has been set successfully."},
    )
    listed = await client.get("/admin/secrets")
    assert listed.json() == ["API_KEY"]
    shown = await client.get("/admin/secrets/API_KEY")
    assert shown.json() == {"name": "API_KEY", "value": SECRET}
    assert {one.headers["cache-control"] for one in (done, listed, shown)} == {"no-store"}
    removed = await client.delete("/admin/secrets/API_KEY")
    assert removed.json()["message"] == "Secret 'API_KEY' has been removed successfully."
    assert (await client.get("/admin/secrets")).json() == []


@pytest.mark.parametrize("kind", ["secret", "config"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_unknown_one_is_not_found(client, kind, method):
    answer = await client.request(method, f"/admin/{kind}s/NOPE")
    assert (answer.status_code, answer.json()["code"]) == (404, f"{kind}_not_found")


async def test_configs_are_any_json(client):
    for value in ({"rows": [1, None]}, "text", 0, None, False):
        assert (await client.post("/admin/configs", json={"name": "a/b", "value": value})).status_code == 200
        assert (await client.get("/admin/configs/a%2Fb")).json() == {"name": "a/b", "value": value}
    assert (await client.get("/admin/configs")).json() == ["a/b"]
    assert (await client.delete("/admin/configs/a%2Fb")).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": " A", "value": SECRET}, 400),
        ({"name": "A", "value": ""}, 400),
        ({"name": "A", "value": {"s": SECRET}}, 422),
        ({"name": "A"}, 422),
        ({"name": "A", "value": SECRET, "more": 1}, 422),
    ],
)
async def test_what_cannot_be_a_secret_is_refused_and_not_quoted(client, body, status):
    answer = await client.post("/admin/secrets", json=body)
    assert answer.status_code == status
    assert "hunter2" not in answer.text


async def test_the_client_has_a_method_for_each(flux_client):
    assert (await flux_client.set_secret("A/1", SECRET)).message.startswith("Secret 'A/1'")
    assert (await flux_client.list_secrets(), (await flux_client.get_secret("A/1")).value) == (["A/1"], SECRET)
    await flux_client.delete_secret("A/1")
    with pytest.raises(SecretNotFoundError):
        await flux_client.get_secret("A/1")
    await flux_client.set_config("c", {"n": 1})
    assert (await flux_client.list_configs(), (await flux_client.get_config("c")).value) == (["c"], {"n": 1})
    await flux_client.delete_config("c")
    with pytest.raises(ConfigNotFoundError):
        await flux_client.delete_config("c")


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {"host": "localhost:8000"}, 200),
        ("::1", {"host": "[::1]:8000"}, 200),
        ("::ffff:127.0.0.1", {"host": "127.0.0.1"}, 200),
        ("10.0.0.7", {"host": "localhost:8000"}, 403),
        ("127.0.0.1", {"host": "flux.example"}, 403),
        ("127.0.0.1", {"host": "localhost", "origin": "https://evil.example"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["/admin/secrets", "/admin/configs/x", "/admin/secrets/x"])
async def test_a_server_that_others_reach_answers_its_own_machine_only(tmp_path, store, peer, headers, status, path):
    app = create_app(Settings(home=str(tmp_path)), store, tokens=Tokens("boot", b"key"), host="0.0.0.0")
    transport = httpx.ASGITransport(app, client=(peer, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        found = (await client.get(path, headers=headers)).status_code
        assert found == status or (status, found) == (200, 404)
        assert (await client.get("/workflows", headers=headers)).status_code == 200


async def in_the_file(store, tmp_path) -> list[str]:
    """Which of the secrets can be read in the database."""
    files = b"".join(path.read_bytes() for path in tmp_path.glob("flux.db*"))
    return Redactor([SECRET]).found(files)


async def test_inputs_and_answers_with_a_secret_are_sealed(client, worker, publish, tmp_path, store):
    await client.post("/admin/secrets", json={"name": "A", "value": SECRET})
    await publish("asks")
    given = {"auth": base64.b64encode(f"user:{SECRET}".encode()).decode()}
    seen = []

    async def script(run):
        await run.start()
        if run.answer is None:
            seen.append(run.claim.execution.input)
            await run.pause("go")
        else:
            seen.extend(event.payload for event in run.claim.history if event.type == "WORKFLOW_RESUMING")
            await run.complete("done")

    worker.scripts["asks"] = script
    paused = (await client.post("/workflows/asks/run/sync", json=given)).json()
    assert (paused["state"], paused["input"]) == ("PAUSED", HIDDEN)
    done = await client.post(f"/executions/{paused['execution_id']}/resume?mode=sync", json={"key": SECRET})
    assert done.json()["state"] == "COMPLETED"
    assert [payload.encoding for payload in seen] == ["sealed", "sealed"]
    events = (await client.get(f"/executions/{paused['execution_id']}/events")).text
    assert HIDDEN in json.dumps(json.loads(events), ensure_ascii=False)
    assert Redactor([SECRET]).found(events.encode()) == []
    assert await in_the_file(store, tmp_path) == []


async def test_errors_of_an_input_do_not_quote_the_secret(client, publish):
    await client.post("/admin/secrets", json={"name": "A", "value": SECRET})
    await publish(
        "typed", input_schema={"type": "object", "properties": {"n": {"type": "integer"}, "m": {"enum": [1]}}}
    )
    answer = await client.post("/workflows/typed/run/async", json={"n": SECRET})
    assert answer.status_code == 422
    assert Redactor([SECRET]).found(answer.content) == []


async def test_output_progress_and_deaths_that_nobody_has_looked_at_are_redacted(
    client, flux, worker, publish, tmp_path, store
):
    await client.post("/admin/secrets", json={"name": "A", "value": SECRET})
    await publish("dies")
    worker.scripts["dies"] = lambda run: run.start()
    execution = (await client.post("/workflows/dies/run/async", json=1)).json()
    await flux.bus.until(execution["execution_id"], lambda one: one.state == "RUNNING")
    with flux.bus.subscribe() as live:
        await flux.port.progress("w1", Progress(execution["execution_id"], "s", "t", json.dumps({"k": SECRET})))
        await flux.port.logs("w1", [LogLine(1, "INFO", "stdout", f"curl -u {SECRET}", execution["execution_id"])])
        published = await live.batch(5)
    told = [repr(message) for message in published if isinstance(message, Progressed | Logged)]
    assert [HIDDEN in text for text in told] == [True, True]
    assert [line["text"] for line in (await client.get("/logs")).json()["lines"]][-1] == f"curl -u {HIDDEN}"
    await flux.port.died("w1", RunnerDied((execution["execution_id"],), (1,), f"said {SECRET}", alone=True))
    failed = (await client.get(f"/executions/{execution['execution_id']}")).json()
    assert failed["output"]["message"].endswith(f"said {HIDDEN}")
    assert await in_the_file(store, tmp_path) == []


async def test_a_worker_is_given_what_its_execution_asks_for(client, flux, worker, publish):
    await client.post("/admin/secrets", json={"name": "A", "value": SECRET})
    await client.post("/admin/configs", json={"name": "c", "value": [1]})
    await publish("asks")
    answers = []

    async def script(run):
        await run.start()
        for kind, name in ((InquiryKind.SECRETS, "A"), (InquiryKind.CONFIGS, "c")):
            found = await flux.port.ask("w1", run.id, Inquiry(kind, (name, "none")))
            answers.append({key: to_plain(payload) for key, payload in found.items()})
        await run.complete()

    worker.scripts["asks"] = script
    await client.post("/workflows/asks/run/sync", json=1)
    assert answers == [{"A": SECRET}, {"c": [1]}]


async def test_a_cached_result_with_a_secret_is_sealed(client, flux, worker, publish, tmp_path, store):
    await client.post("/admin/secrets", json={"name": "A", "value": SECRET})
    await publish("keeps")

    async def script(run):
        await run.start()
        await flux.port.ask("w1", run.id, Inquiry(InquiryKind.CACHE_WRITE, ("k",), from_plain(SECRET)))
        await run.complete()

    worker.scripts["keeps"] = script
    await client.post("/workflows/keeps/run/sync", json=1)
    assert (await store.cache.get("k")).encoding == "sealed"
    assert await in_the_file(store, tmp_path) == []


async def test_what_a_server_knew_before_it_was_restarted_it_knows_again(settings, store):
    await store.secrets.set("A", SECRET)
    app = create_app(settings, store, tokens=Tokens("boot", b"key"))
    async with app.router.lifespan_context(app):
        assert store.secrets.known.redact(SECRET) == HIDDEN


async def test_what_a_worker_does_not_know_to_be_a_secret_is_sealed_by_the_server(
    client, flux, worker, publish, tmp_path, store
):
    await client.post("/admin/secrets", json={"name": "A", "value": SECRET})
    await publish("leaks")
    acknowledged = []

    async def script(run):
        await run.start()
        events = [
            run.event(E.TASK_STARTED, "t-1", "t", {"key": SECRET}),
            run.event(E.TASK_PAUSED, "p-1", "p", wait=Wait("p-1", "p", WaitKind.INPUT, None, from_plain([SECRET]))),
            run.event(E.TASK_COMPLETED, "t-1", "t", {"n": 1}),
        ]
        batch = Checkpoint(run.id, 1, tuple(events))
        acknowledged.extend([await flux.port.checkpoint("w1", batch) for _ in range(2)])
        await run.complete(SECRET)

    worker.scripts["leaks"] = script
    done = (await client.post("/workflows/leaks/run/sync?detailed=true", json=1)).json()
    assert (done["state"], done["output"]) == ("COMPLETED", HIDDEN)
    values = {event["type"]: event["value"] for event in done["events"] if event["name"] == "t"}
    assert values == {"TASK_STARTED": HIDDEN, "TASK_COMPLETED": {"n": 1}}
    assert acknowledged[0] == acknowledged[1]
    assert await in_the_file(store, tmp_path) == []
