from flux.client.lines import format_live
from flux.domain.events import ExecutionEventType as E
from flux.domain.events import ExecutionState as S
from flux.wire.models import LiveEvent, LogModel, ReloadModel, WorkerModel, WorkflowSummary
from tests.tui.fake import NOW, FakeApi, at


def test_each_kind_has_its_line():
    api = FakeApi()
    run = api.execution("shop/order", S.RUNNING, execution_id="7f3a0000ffff", created_at=at(0))
    done = api.event(run.execution_id, E.TASK_COMPLETED, "charge", at(0), {"ok": True})
    workflow = WorkflowSummary(namespace="shop", name="order", version=5, created_at=NOW)
    worker = WorkerModel(name="w1", online=True, slots=4, running=1, last_seen=NOW)
    log = LogModel(
        time=NOW, level="ERROR", source="stderr", text="one\ntwo", execution_id="7f3a0000ffff", task="charge"
    )
    assert format_live(LiveEvent(id=1, kind="event", execution=run, event=done)) == [
        '12:04:31  7f3a0000      ✓ shop/order charge completed  {"ok": true}'
    ]
    assert format_live(LiveEvent(id=1, kind="workflow", workflow=workflow)) == [
        "12:04:31  catalog       shop/order v5 registered"
    ]
    assert format_live(LiveEvent(id=1, kind="worker", worker=worker)) == ["12:04:31  worker        w1 online (1/4)"]
    assert format_live(LiveEvent(id=1, kind="log", log=log)) == [
        "12:04:31  7f3a0000      ERROR charge: one",
        "12:04:31  7f3a0000      ERROR charge: two",
    ]
    assert format_live(LiveEvent(id=1, kind="event", execution=run)) == []


def test_reloads_show_what_changed_or_the_traceback():
    good = ReloadModel(path="a.py", status="ok", changes=["a v2"], took_ms=84.2, time=NOW)
    bad = ReloadModel(
        path="a.py", status="broken", error="SyntaxError: x", line=4, traceback="x\ny\n", time=NOW, serving="v1"
    )
    assert format_live(LiveEvent(id=1, kind="reload", reload=good)) == ["12:04:31  reload        ✓ a.py → a v2  84 ms"]
    assert format_live(LiveEvent(id=1, kind="reload", reload=bad)) == [
        "12:04:31  reload        ✗ a.py:4 SyntaxError: x — still running v1",
        "          x",
        "          y",
    ]


def test_control_characters_are_shown_and_values_cut():
    log = LogModel(time=NOW, level="INFO", source="stdout", text="\x1b[2Jboo\x07")
    assert format_live(LiveEvent(id=1, kind="log", log=log)) == ["12:04:31  stdout        ␛[2Jboo␇"]
    api = FakeApi()
    run = api.execution("a/b", S.RUNNING)
    event = api.event(run.execution_id, E.TASK_COMPLETED, "t", NOW, "x" * 999)
    assert len(format_live(LiveEvent(id=1, kind="event", execution=run, event=event))[0]) < 230
