"""Captured output."""

from __future__ import annotations

from flux.domain import LogLine
from flux.store.logs import Logs


def line(text: str, execution_id: str = "") -> LogLine:
    return LogLine(5, "INFO", "stdout", text, execution_id, "charge")


async def test_lines_come_back_in_order_with_growing_ids(store):
    kept = await store.logs.add([line("one", "e1"), line("two", "e2"), line("three", "e1")])
    assert [one.id for one in kept] == sorted({one.id for one in kept})
    assert await store.logs.read() == kept
    assert await store.logs.read("e1") == [kept[0], kept[2]]
    assert await store.logs.read("e1", after=kept[0].id) == [kept[2]]
    assert await store.logs.read(after=kept[0].id, limit=1) == [kept[1]]
    assert await store.logs.add([]) == []


async def test_without_a_place_to_start_the_newest_are_shown(store):
    kept = await store.logs.add([line(str(n)) for n in range(10)])
    assert await store.logs.read(limit=3) == kept[-3:]


async def test_the_oldest_lines_make_room(store):
    logs = Logs(store._driver, store.committer, per_execution=10, overall=30)
    for n in range(100):
        await logs.add([line(str(n), "busy")])
    busy = await logs.read("busy")
    assert [one.text for one in busy][-10:] == [str(n) for n in range(90, 100)]
    assert len(busy) <= 11

    for n in range(100):
        await logs.add([line(str(n), f"execution-{n}")])
    everything = await logs.read()
    assert [one.text for one in everything][-30:] == [str(n) for n in range(70, 100)]
    assert len(everything) <= 33
