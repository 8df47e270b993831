"""Publishing, versions, tombstones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flux.domain import Bundle, Module, WorkflowRef, WorkflowSpec
from flux.errors import VersionNotFoundError, WorkflowNotFoundError

ORDER = WorkflowRef("shop", "order")
SPEC = WorkflowSpec(
    "shop", "order", "order", "Takes an order.", {"type": "integer"}, None, 12, ("charge", "ship"), {"timeout": 5}
)


def bundle(digest: str = "d1", path: str = "/src/shop.py", source: str = "x = 1") -> Bundle:
    return Bundle(digest, "shop", {"shop": Module(path, source), "lib": Module("/src/lib/__init__.py", "", True)})


async def test_a_published_workflow_comes_back_as_it_was(store, clock):
    (published,) = await store.catalog.publish([SPEC], bundle())
    assert published.version == 1
    assert published.spec == SPEC
    assert published.path == "/src/shop.py"
    assert published.created_at == clock.now()
    assert await store.catalog.get(ORDER) == published
    assert await store.catalog.get(ORDER, 1) == published
    assert await store.catalog.bundle("d1") == bundle()


async def test_publishing_the_same_again_changes_nothing(store, clock):
    first = await store.catalog.publish([SPEC], bundle())
    clock.advance(5)
    assert await store.catalog.publish([SPEC], bundle()) == first


async def test_another_source_or_spec_is_another_version(store):
    await store.catalog.publish([SPEC], bundle())
    (second,) = await store.catalog.publish([SPEC], bundle("d2"))
    (third,) = await store.catalog.publish([replace(SPEC, description="New.")], bundle("d2"))
    (undone,) = await store.catalog.publish([SPEC], bundle())
    assert [second.version, third.version, undone.version] == [2, 3, 4]
    assert undone.digest == "d1"
    assert [one.version for one in await store.catalog.versions(ORDER)] == [4, 3, 2, 1]
    assert (await store.catalog.get(ORDER)).version == 4


async def test_versions_count_for_each_workflow(store):
    refund = replace(SPEC, name="refund")
    await store.catalog.publish([SPEC], bundle())
    order, other = await store.catalog.publish([SPEC, refund], bundle("d2"))
    assert (order.version, other.version) == (2, 1)


async def test_a_moved_file_keeps_its_version(store):
    await store.catalog.publish([SPEC], bundle())
    (moved,) = await store.catalog.publish([SPEC], bundle(path="/new/shop.py"))
    assert moved.version == 1
    assert moved.path == "/new/shop.py"


async def test_a_deleted_name_is_gone_and_its_source_stays(store):
    await store.catalog.publish([SPEC], bundle())
    await store.catalog.delete(ORDER)
    for call in (
        store.catalog.get(ORDER),
        store.catalog.get(ORDER, 1),
        store.catalog.versions(ORDER),
        store.catalog.delete(ORDER),
    ):
        with pytest.raises(WorkflowNotFoundError):
            await call
    assert await store.catalog.list() == []
    assert await store.catalog.bundle("d1") == bundle()


async def test_a_deleted_name_comes_back(store):
    await store.catalog.publish([SPEC], bundle())
    await store.catalog.delete(ORDER)
    (same,) = await store.catalog.publish([SPEC], bundle())
    assert same.version == 1
    await store.catalog.delete(ORDER)
    (other,) = await store.catalog.publish([SPEC], bundle("d2"))
    assert other.version == 2
    assert len(await store.catalog.versions(ORDER)) == 2


async def test_lists_by_namespace_and_name(store):
    specs = [replace(SPEC, namespace=ns, name=name) for ns, name in (("shop", "b"), ("shop", "a"), ("bank", "z"))]
    await store.catalog.publish(specs, bundle())
    assert [str(one.spec.ref) for one in await store.catalog.list()] == ["bank/z", "shop/a", "shop/b"]
    assert [str(one.spec.ref) for one in await store.catalog.list("shop")] == ["shop/a", "shop/b"]
    assert await store.catalog.list("nowhere") == []


async def test_what_is_not_there(store):
    with pytest.raises(WorkflowNotFoundError):
        await store.catalog.get(ORDER, 3)
    await store.catalog.publish([SPEC], bundle())
    with pytest.raises(VersionNotFoundError):
        await store.catalog.get(ORDER, 3)
    with pytest.raises(VersionNotFoundError):
        await store.catalog.bundle("d9")


async def test_a_schema_keeps_the_order_in_which_it_was_declared(store):
    schema = {"type": "object", "properties": {"zip": {"type": "string"}, "city": {"type": "string"}}}
    (published,) = await store.catalog.publish([replace(SPEC, input_schema=schema)], bundle())
    assert list(published.spec.input_schema["properties"]) == ["zip", "city"]
    turned = {"properties": dict(reversed(schema["properties"].items())), "type": "object"}
    (again,) = await store.catalog.publish([replace(SPEC, input_schema=turned)], bundle())
    assert again == published
