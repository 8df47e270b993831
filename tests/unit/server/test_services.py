import httpx
import pytest

from flux.client import FluxClient
from flux.errors import ServiceExistsError, ServiceNotFoundError
from flux.wire.services import ServiceCreate, ServiceDetail, ServiceModel, ServiceUpdate


@pytest.fixture
async def catalog(publish):
    for namespace, name in (("bank", "invoice"), ("bank", "pay"), ("shop", "invoice"), ("shop", "order")):
        await publish(name, namespace, source=f"x = '{namespace}'")


async def test_a_service_is_made_shown_changed_and_deleted(client, catalog):
    made = await client.post("/services", json={"name": "billing", "namespaces": ["bank"], "workflows": ["shop/order"]})
    assert made.status_code == 201
    assert set(made.json()) == set(ServiceDetail.model_fields)
    assert [(one["path"], one["namespace"], one["version"]) for one in made.json()["endpoints"]] == [
        ("/invoice", "bank", 1),
        ("/order", "shop", 1),
        ("/pay", "bank", 1),
    ]
    (listed,) = (await client.get("/services")).json()
    assert set(listed) == set(ServiceModel.model_fields)
    assert (await client.get("/services/billing")).json() == made.json()

    update = {"add_exclusions": ["bank/pay"], "remove_workflows": ["shop/order"], "mcp_enabled": True}
    changed = (await client.put("/services/billing", json=update)).json()
    assert ServiceDetail.model_validate(changed).mcp_enabled
    assert (changed["namespaces"], changed["workflows"], changed["exclusions"]) == (["bank"], [], ["bank/pay"])
    assert [one["name"] for one in changed["endpoints"]] == ["invoice"]

    assert (await client.delete("/services/billing")).status_code == 204
    assert (await client.get("/services")).json() == []


async def test_a_collision_is_shown_beside_what_works(client, catalog):
    made = (await client.post("/services", json={"name": "all", "namespaces": ["bank", "shop"]})).json()
    assert [one["name"] for one in made["endpoints"]] == ["order", "pay"]
    assert made["collisions"] == [{"name": "invoice", "workflows": ["bank/invoice", "shop/invoice"]}]


async def test_a_name_is_taken_once(client):
    await client.post("/services", json={"name": "billing"})
    again = await client.post("/services", json={"name": "billing"})
    assert (again.status_code, again.json()["code"]) == (409, "service_exists")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "Bad Name"}, 400),
        ({"name": "a", "workflows": ["a/b/c"]}, 400),
        ({"name": "a", "namespaces": ["a/b"]}, 400),
        ({"name": "a", "namespace": ["a"]}, 422),
        ({}, 422),
    ],
)
async def test_what_cannot_be_a_service_is_refused(client, body, status):
    assert (await client.post("/services", json=body)).status_code == status
    assert (await client.get("/services")).json() == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_unknown_services(client, method):
    response = await client.request(method, "/services/nope", json={} if method == "PUT" else None)
    assert (response.status_code, response.json()["code"]) == (404, "service_not_found")


async def test_the_client_speaks_the_same_language(app, catalog):
    async with FluxClient("http://localhost", transport=httpx.ASGITransport(app)) as client:
        made = await client.create_service(ServiceCreate(name="billing", namespaces=["bank"]))
        assert [one.name for one in made.endpoints] == ["invoice", "pay"]
        assert [one.name for one in await client.list_services()] == ["billing"]
        changed = await client.update_service("billing", ServiceUpdate(add_exclusions=["bank/pay"]))
        assert changed == await client.get_service("billing")
        assert [one.name for one in changed.endpoints] == ["invoice"]
        with pytest.raises(ServiceExistsError):
            await client.create_service(ServiceCreate(name="billing"))
        await client.delete_service("billing")
        with pytest.raises(ServiceNotFoundError, match="billing"):
            await client.get_service("billing")
