import asyncio

import pytest

from flux.dispatch.port import ProbeResult
from flux.domain import Manifest, WorkflowSpec
from flux.wire.models import WorkflowDetail, WorkflowSummary

SOURCE = '''
from flux import task, workflow as wf

@task.with_options(name="greet")
async def say(name): ...

@wf.with_options(namespace="shop", timeout=30)
async def hello(ctx):
    """Says hello."""

@wf
async def bye(ctx): ...
'''


async def upload(client, source=SOURCE, name="hello.py"):
    return await client.post("/workflows", files={"file": (name, source.encode())})


async def test_upload_without_a_worker_is_read_by_its_text(client):
    response = await upload(client)
    assert response.status_code == 201
    versions = [WorkflowSummary.model_validate(one) for one in response.json()]
    assert [(one.namespace, one.name, one.version, one.path) for one in versions] == [
        ("shop", "hello", 1, "hello.py"),
        ("default", "bye", 1, "hello.py"),
    ]
    detail = WorkflowDetail.model_validate((await client.get("/workflows/shop/hello")).json())
    assert (detail.description, detail.tasks, detail.options) == (
        "Says hello.",
        ["greet"],
        {"durability": "strict", "timeout": 30},
    )
    assert detail.source == SOURCE
    listed = (await client.get("/workflows?namespace=shop")).json()
    assert [one["name"] for one in listed] == ["hello"]


async def test_upload_is_imported_by_a_worker_if_there_is_one(client, worker, flux):
    schema = {"type": "integer"}
    worker.manifest = Manifest((WorkflowSpec("default", "probed", input_schema=schema, line=3),))
    assert [one["name"] for one in (await upload(client)).json()] == ["probed"]
    assert (await client.get("/workflows/probed")).json()["input_schema"] == schema


async def test_a_broken_import_says_where(client, worker):
    worker.manifest = ProbeResult("", error="NameError: x", traceback="Traceback …", path="/src/hello.py", line=7)
    response = await upload(client)
    assert (response.status_code, response.json()["code"]) == (400, "workflow_invalid")
    assert response.json()["detail"] == "NameError: x"
    assert {name: response.json()[name] for name in ("path", "line", "traceback")} == {
        "path": "/src/hello.py",
        "line": 7,
        "traceback": "Traceback …",
    }


async def test_a_syntax_error_needs_no_worker(client):
    response = await upload(client, "def f(:\n  pass")
    assert (response.status_code, response.json()["line"], response.json()["path"]) == (400, 1, "hello.py")
    assert response.json()["detail"].startswith("SyntaxError")


@pytest.mark.parametrize(
    ("source", "words"),
    [("x = 1", "no workflow"), ("from flux import workflow\n@workflow\nasync def run(ctx): ...", "cannot name")],
)
async def test_sources_without_usable_workflows(client, source, words):
    response = await upload(client, source)
    assert response.status_code == 400
    assert words in response.json()["detail"]


async def test_publication_with_manifest(client, worker):
    publication = {
        "entry": "flows",
        "modules": {
            "flows": {"path": "/p/flows.py", "source": "import rates"},
            "rates": {"path": "/p/rates.py", "source": ""},
        },
        "workflows": [{"name": "order", "namespace": "shop", "line": 4, "options": {"timeout": 5}}],
    }
    (version,) = (await client.post("/workflows", json=publication)).json()
    assert (version["namespace"], version["name"], version["version"], version["path"]) == (
        "shop",
        "order",
        1,
        "/p/flows.py",
    )
    (again,) = (await client.post("/workflows", json=publication)).json()
    assert again["version"] == 1
    publication["modules"]["rates"]["source"] = "VAT = 1"
    (changed,) = (await client.post("/workflows", json=publication)).json()
    assert changed["version"] == 2
    versions = (await client.get("/workflows/shop/order/versions")).json()
    assert [one["version"] for one in versions] == [2, 1]
    assert (await client.get("/workflows/shop/order?version=1")).json()["version"] == 1
    assert worker.prewarmed == [changed["digest"]]  # not what is new: it may never run


async def test_publication_without_manifest_is_probed(client, worker):
    publication = {"entry": "m", "modules": {"m": {"path": "/p/m.py", "source": "x = 1"}}}
    assert [one["name"] for one in (await client.post("/workflows", json=publication)).json()] == ["hello"]


async def test_publication_waits_for_the_first_worker_of_a_starting_server(client, flux, make_worker):
    flux.expect_workers()
    assert (await client.get("/ready")).status_code == 503
    publishing = asyncio.ensure_future(upload(client))
    async with make_worker():
        assert [one["name"] for one in (await publishing).json()] == ["hello"]
        assert (await client.get("/ready")).json() == {"status": "ready", "database": True, "workers": 1}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[]", 400),
        (b'{"entry": "m", "modules": {}}', 400),
        (b'{"entry": "m"}', 422),
        (b'{"entry": ', 400),
    ],
)
async def test_bad_publications(client, body, status):
    response = await client.post("/workflows", content=body, headers={"content-type": "application/json"})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


async def test_delete_keeps_history(client, worker, publish):
    await publish()
    execution_id = (await client.post("/workflows/hello/run/sync", json=1)).json()["execution_id"]
    assert (await client.delete("/workflows/hello")).status_code == 204
    assert (await client.get("/workflows/hello")).status_code == 404
    assert (await client.delete("/workflows/hello")).json()["code"] == "workflow_not_found"
    assert (await client.get(f"/executions/{execution_id}")).json()["state"] == "COMPLETED"


async def test_unknown_workflow(client):
    for method, path in (("GET", ""), ("GET", "/versions"), ("POST", "/run/sync"), ("POST", "/run/async")):
        response = await client.request(method, f"/workflows/shop/nope{path}")
        assert (response.status_code, response.json()["code"]) == (404, "workflow_not_found")
        assert "shop/nope" in response.json()["detail"]
