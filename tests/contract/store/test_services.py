"""Services and what they select."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from flux.domain import Service, WorkflowRef
from flux.errors import ServiceExistsError, ServiceNotFoundError, UsageError

ORDER, REFUND = WorkflowRef("shop", "order"), WorkflowRef("shop", "refund")
BILLING = Service("billing", ("shop", "bank"), (ORDER,), (REFUND,), True)


async def test_a_service_comes_back_as_it_was(store, clock):
    now = clock.now()
    created = await store.services.create(BILLING)
    assert created == replace(BILLING, created_at=now, updated_at=now)
    assert await store.services.get("billing") == created


async def test_a_name_is_taken_once(store):
    first = await store.services.create(BILLING)
    with pytest.raises(ServiceExistsError, match="billing"):
        await store.services.create(Service("billing"))
    assert await store.services.get("billing") == first


async def test_an_update_keeps_the_rest(store, clock):
    created = await store.services.create(BILLING)
    clock.advance(5)
    changed = await store.services.update("billing", lambda service: replace(service, namespaces=("bank",)))
    assert changed == replace(created, namespaces=("bank",), updated_at=clock.now())
    assert await store.services.get("billing") == changed


async def test_updates_at_the_same_time_lose_nothing(store):
    await store.services.create(Service("billing"))

    def adding(namespace):
        return lambda service: replace(service, namespaces=(*service.namespaces, namespace))

    await asyncio.gather(*(store.services.update("billing", adding(f"n{number}")) for number in range(20)))
    assert sorted((await store.services.get("billing")).namespaces) == sorted(f"n{number}" for number in range(20))


async def test_a_rule_that_refuses_changes_nothing(store):
    created = await store.services.create(BILLING)

    def refuse(service):
        raise UsageError("no")

    with pytest.raises(UsageError):
        await store.services.update("billing", refuse)
    assert await store.services.get("billing") == created


async def test_they_are_listed_by_name_and_go(store):
    for name in ("cash", "billing", "alms"):
        await store.services.create(Service(name))
    await store.services.delete("billing")
    assert [service.name for service in await store.services.list()] == ["alms", "cash"]


async def test_unknown_services(store):
    for call in (
        store.services.get("x"),
        store.services.delete("x"),
        store.services.update("x", lambda service: service),
    ):
        with pytest.raises(ServiceNotFoundError, match="x"):
            await call
