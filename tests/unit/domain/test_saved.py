from __future__ import annotations

import json
from dataclasses import replace

import pytest

from flux import task, workflow
from flux.codec import Codec, Payload, Redactor
from flux.domain import EventRecord, Execution, ExecutionEventType, ExecutionState, Wait, WaitKind, WorkflowRef
from flux.domain.saved import SavedHistory
from flux.domain.verdict import Outcome
from flux.engine.dryrun import dry_run
from flux.errors import UsageError
from flux.tasks import now, pause, uuid4

REF = WorkflowRef("shop", "order")
EXECUTION = Execution(
    "e1", REF, ExecutionState.PAUSED, Payload(b'{"n":1.5}'), Payload(b'"\xc3\xbc"'), 3, "d" * 64, 2, "", 10, 20, 15
)
EVENT = EventRecord(ExecutionEventType.TASK_PAUSED, "pause_1", "pause", 1_750_000_000_000_001, "e1.2.1", seq=1)


@task
async def price(item: str) -> dict:
    return {"item": item, "of": {1, 2}}


@workflow.with_options(name="order")
async def order(ctx):
    await now()
    await uuid4()
    await price("ü")
    return await pause("approval", output={"total": 7})


def round_trip(*events: EventRecord) -> SavedHistory:
    execution = replace(EXECUTION, last_seq=len(events))
    saved = SavedHistory(execution, events)
    assert SavedHistory.parse(saved.text()) == saved
    return saved


@pytest.mark.parametrize(
    "payload",
    [
        None,
        Payload(b"null"),
        Payload(b'{"$":"tuple","v":[1,2.5,-0.0]}'),
        Payload(b'"\\ud800"'),
        Payload('{"ü":"\N{SNOWMAN}"}'.encode()),
        Payload(b"\x00\xff", "dill", "pkg.Thing <Thing>"),
        Payload(b"\x00\xff", "sealed", "•••"),
    ],
)
def test_values_come_back_byte_for_byte(payload):
    round_trip(replace(EVENT, payload=payload))


def test_all_members_come_back():
    wait = Wait("pause_1", "approval", WaitKind.INPUT, 5, Payload(b"7"), '{"type":"integer"}', "app:Answer")
    full = replace(EVENT, ordinal=4, parent="outer_1", digest="ab", location="/srv/order.py:7", wait=wait)
    answer = EventRecord(ExecutionEventType.WORKFLOW_RESUMING, "e1", "order", 9, "x", seq=2, wait_id="pause_1")
    round_trip(full, answer)


def test_what_is_sealed_stays_sealed_and_can_be_opened_again():
    codec = Codec("pkl", b"key", Redactor(["hunter2!"]))
    (event,) = round_trip(replace(EVENT, payload=codec.encode(["hunter2!"]))).events
    assert codec.decode(event.payload) == ["hunter2!"]


def test_plain_values_can_be_read_in_the_file():
    text = round_trip(replace(EVENT, payload=Payload(b'{"total":7}'))).text()
    (event,) = json.loads(text)["events"]
    assert event["value"] == {"json": {"total": 7}}
    assert event["time"] == "2025-06-15T15:06:40.000001+00:00"
    assert [line for line in text.splitlines() if "TASK_PAUSED" in line] == [json.dumps(event, separators=(",", ":"))]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not a saved history"),
        ("[1]", "not a saved history"),
        ('{"flux_history": 99}', "format 99"),
        ('{"flux_history": 1, "events": [{}]}', "damaged: KeyError"),
    ],
)
def test_other_files_are_refused(text, told):
    with pytest.raises(UsageError, match=told):
        SavedHistory.parse(text)


async def test_a_saved_history_replays(lab):
    await lab.run(order)
    execution = Execution("e1", order.ref, ExecutionState.PAUSED, generation=1)
    saved = SavedHistory.parse(SavedHistory(execution, tuple(lab.log)).text())
    assert saved.events == tuple(lab.log)
    verdict = await dry_run(order, saved.execution, saved.events, codec=lab.codec)
    assert verdict.outcome is Outcome.WAITS
