import pytest

from flux.security import Permission
from flux.wire.models import Problem


async def test_invalid_json_says_where(client, publish):
    await publish()
    response = await client.post("/workflows/hello/run/sync", content=b'{"a": 1,\n "b": }')
    assert (response.status_code, response.json()["code"]) == (400, "malformed_body")
    assert (response.json()["line"], response.json()["column"]) == (2, 7)


@pytest.mark.parametrize("body", [b'"\\ud800"', b"[" * 5000, b"\xff\xfe", b"NaN"])
async def test_poisonous_bodies_are_refused(client, publish, body):
    await publish()
    response = await client.post("/workflows/hello/run/async", content=body)
    assert (response.status_code, response.json()["code"]) == (400, "malformed_body")


async def test_numbers_beyond_64_bits_survive(client, worker, publish):
    await publish()

    async def echo(run):
        await run.start()
        await run.complete(run.input)

    worker.scripts["hello"] = echo
    response = await client.post("/workflows/hello/run/sync", content=b"[123456789012345678901234567890]")
    assert response.json()["output"] == [123456789012345678901234567890]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing/here", 404, "not_found"),
        ("DELETE", "/executions", 405, "method_not_allowed"),
        ("POST", "/workflows/hello/run/sometimes", 422, "invalid_input"),
        ("GET", "/workflows/a/b/c", 404, "not_found"),
    ],
)
async def test_every_error_is_a_problem_document(client, method, path, status, code):
    response = await client.request(method, path)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate(response.json())
    assert problem.instance == path


async def test_unexpected_errors_do_not_leak(app, client, caplog):
    async def broken() -> None:
        raise RuntimeError("secret detail")

    app.add_api_route("/broken", broken)
    response = await client.get("/broken")
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "secret detail" not in response.text
    assert "secret detail" in caplog.text


async def test_bodies_are_bounded(client, publish):
    await publish()
    response = await client.post("/workflows/hello/run/async", content=b'"' + b"x" * (17 * 1024 * 1024) + b'"')
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")

    async def chunks():
        for _ in range(17):
            yield b"x" * (1024 * 1024)

    streamed = await client.post("/workflows/hello/run/async", content=chunks())
    assert (streamed.status_code, streamed.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost:8000"}, 200),
        ({"Host": "127.0.0.1:8000"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3000"}, 200),
    ],
)
async def test_loopback_servers_refuse_foreign_hosts_and_origins(client, headers, status):
    response = await client.get("/health", headers=headers)
    assert response.status_code == status
    if status == 403:
        assert response.json()["code"] == "forbidden"


def test_every_route_declares_its_permission(app):
    operations = [operation for path in app.openapi()["paths"].values() for operation in path.values()]
    assert len(operations) > 20
    assert {operation["x-permission"] for operation in operations} <= {str(one) for one in Permission}


def test_operation_ids_are_stable_and_unique(app):
    operations = [operation for path in app.openapi()["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    assert {"run_workflow", "resume_workflow", "list_executions", "stream_live_events", "publish_workflows"} <= set(ids)
    assert all("422" in operation["responses"] for operation in operations)


async def test_health(client):
    body = (await client.get("/health")).json()
    assert (body["status"], body["database"]) == ("healthy", True)
    assert (await client.get("/docs")).status_code == 200
