"""Workers that have registered."""

from __future__ import annotations

import pytest

from flux.errors import WorkerNotFoundError


async def test_a_worker_registers_and_is_seen(store, clock):
    at_first = clock.now()
    await store.workers.register("ada", {"slots": 4, "packages": {"dill": "0.4"}})
    clock.advance(5)
    await store.workers.seen("ada", clock.now())

    record = await store.workers.get("ada")
    assert record.data == {"slots": 4, "packages": {"dill": "0.4"}}
    assert (record.registered_at, record.last_seen) == (at_first, clock.now())

    again = await store.workers.register("ada", {"slots": 8})
    assert again == await store.workers.get("ada")
    assert (again.data, again.registered_at) == ({"slots": 8}, at_first)


async def test_workers_are_listed_by_name_and_leave(store):
    for name in ("cleo", "ada", "bob"):
        await store.workers.register(name, {})
    await store.workers.remove("bob")
    assert [record.name for record in await store.workers.list()] == ["ada", "cleo"]


async def test_unknown_workers(store):
    for call in (store.workers.get("x"), store.workers.seen("x", 1), store.workers.remove("x")):
        with pytest.raises(WorkerNotFoundError):
            await call
