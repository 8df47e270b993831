"""Checkpoints on their way to the server."""

from __future__ import annotations

import asyncio

import pytest

from flux.dispatch.port import Acknowledged
from flux.domain import EventRecord, ExecutionEventType
from flux.errors import StaleClaimError
from flux.worker.frames import Append
from flux.worker.link import Connection
from flux.worker.outbox import Shipment

PATIENCE = 10.0


class Port:
    """Takes checkpoints; raises what is in `failures` first."""

    def __init__(self):
        self.failures = []
        self.checkpoints = []

    async def checkpoint(self, worker, batch):
        if self.failures:
            raise self.failures.pop(0)
        self.checkpoints.append(batch)
        return Acknowledged(batch.execution_id, batch.events[-1].ordinal, batch.events[0].ordinal)


class Desk:
    """A shipment and what it answers."""

    def __init__(self):
        self.port, self.acknowledged, self.refused = Port(), [], []
        connection = Connection()
        connection.established()
        self.shipment = Shipment(
            self.port,
            "w1",
            connection,
            lambda append, seq: self.acknowledged.append((append.events[0].ordinal, seq)),
            lambda append, reason: self.refused.append((append.events[0].ordinal, reason)),
        )

    async def send(self, *appends):
        for append in appends:
            self.shipment.add(append)
        await self.shipment.settled(PATIENCE)


@pytest.fixture
async def desk():
    return Desk()


def append(ordinal, *, generation=1, release=False):
    event = EventRecord(ExecutionEventType.TASK_STARTED, "s", "t", 0, f"i{ordinal}", ordinal=ordinal)
    return Append("e", generation, (event,), release)


def shape(checkpoints):
    return [(one.generation, [event.ordinal for event in one.events], one.release) for one in checkpoints]


async def test_what_is_queued_goes_together(desk):
    await desk.send(append(1), append(2), append(3, release=True))
    assert shape(desk.port.checkpoints) == [(1, [1, 2, 3], True)]
    assert desk.acknowledged == [(1, 1), (2, 2), (3, 3)]
    assert desk.shipment.released


async def test_nothing_goes_along_behind_a_release(desk):
    await desk.send(append(1), append(2, release=True), append(3), append(4))
    assert shape(desk.port.checkpoints) == [(1, [1, 2], True), (1, [3, 4], False)]


async def test_every_append_goes_under_its_own_claim(desk):
    await desk.send(append(1), append(2, generation=2))
    assert shape(desk.port.checkpoints) == [(1, [1], False), (2, [2], False)]


async def test_a_refusal_ends_the_shipment(desk):
    desk.port.failures = [StaleClaimError("taken")]
    await desk.send(append(1, release=True), append(2))
    assert desk.refused == [(1, "taken")]
    assert desk.port.checkpoints == []
    await desk.send(append(3))
    assert [ordinal for ordinal, _ in desk.refused] == [1, 3]


async def test_an_unexpected_error_is_tried_again(desk):
    desk.port.failures = [RuntimeError("odd")]
    await desk.send(append(1))
    assert shape(desk.port.checkpoints) == [(1, [1], False)]
    assert desk.acknowledged == [(1, 1)]


async def test_an_unexpected_error_that_stays_is_reported(desk, caplog):
    desk.port.failures = [RuntimeError("odd")] * 50
    async with asyncio.timeout(PATIENCE):
        await desk.send(append(1))
    assert desk.refused == [(1, "odd")]
    assert desk.shipment.refused
    assert "cannot be sent" in caplog.text
