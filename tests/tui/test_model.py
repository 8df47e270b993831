"""The UI-free part: store, filters, forms, timelines, text."""

import json
import subprocess
import sys
from datetime import timedelta

import pytest

from flux.domain.events import ExecutionEventType as E
from flux.domain.events import ExecutionState as S
from flux.tui.model import equivalents
from flux.tui.model.divergence import divergence_lines, is_divergence
from flux.tui.model.filters import match_execution, parse
from flux.tui.model.format import STATES, age, duration, failure, preview, state_text
from flux.tui.model.jsonlines import json_lines, last_place, traceback_lines
from flux.tui.model.logrows import LogRows
from flux.tui.model.panes import PaneState, pane_of
from flux.tui.model.ring import Ring
from flux.tui.model.rows import EXECUTION_COLUMNS, event_row, execution_row, log_row
from flux.tui.model.schema import FORM, build, check, defaults, entries_of, place, place_all, read_json, value_of
from flux.tui.model.selectors import counts, executions, waits
from flux.tui.model.store import Store, Topic
from flux.tui.model.table import header
from flux.tui.model.text import cell_width, clean, fit, line_width, plain, spread, wrap
from flux.tui.model.timeline import collect, lanes, scale
from flux.wire.models import EventModel, ExecutionDetail, ExecutionPage, LiveEvent, LogModel, ReloadModel
from tests.tui.fake import APPROVAL, NOW, FakeApi, at, populate


def filled() -> tuple[Store, FakeApi]:
    api, store = populate(FakeApi()), Store()
    page = sorted(api.executions.values(), key=lambda item: item.created_at, reverse=True)
    store.set_executions(ExecutionPage(executions=page, total=len(page)))
    store.set_waits(api.open_waits)
    store.set_workflows(api.workflows.values())
    store.set_workers(api.workers)
    return store, api


# the store


def test_newest_execution_is_first_and_counts_are_right():
    store, _ = filled()
    rows = executions(store, parse(""))
    assert [row.created_at for row in rows] == sorted((row.created_at for row in rows), reverse=True)
    assert (counts(store).running, counts(store).waiting, counts(store).failed) == (2, 1, 1)
    assert (counts(store).busy, counts(store).slots) == (3, 4)


def test_an_event_twice_changes_nothing_and_an_old_one_does_not_go_back():
    store, api = filled()
    run = api.execution("shop/order", S.RUNNING, execution_id="r1", created_at=at(1))
    store.set_detail(ExecutionDetail(**run.model_dump()))
    event = api.event("r1", E.TASK_STARTED, "a", at(1))
    message = LiveEvent(id=7, kind="event", execution=api.executions["r1"], event=event)
    assert store.apply(message) == {Topic.EXECUTIONS, Topic.WORKFLOWS, Topic.EVENTS}
    assert Topic.EVENTS not in store.apply(message)
    assert len(store.history("r1") or []) == 1
    assert store.last_event_id == 7
    store.put_execution(run)
    assert store.executions["r1"].events_count == 1


def test_a_hole_in_a_history_marks_it_stale():
    store, api = filled()
    run = api.execution("shop/order", S.RUNNING, execution_id="r1", created_at=at(1))
    store.set_detail(ExecutionDetail(**run.model_dump()))
    api.event("r1", E.TASK_STARTED, "a", at(1))
    late = api.event("r1", E.TASK_COMPLETED, "a", at(2))
    store.apply(LiveEvent(id=8, kind="event", execution=api.executions["r1"], event=late))
    assert store.stale_histories == {"r1"}


def test_waits_go_with_their_execution():
    store, api = filled()
    ended = api.executions["7f3a" + "0" * 28].model_copy(update={"state": S.CANCELLED, "events_count": 99})
    assert Topic.WAITS in store.apply(LiveEvent(id=1, kind="event", execution=ended))
    assert [wait.name for wait in waits(store, parse(""))] == ["sleep"]


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr("flux.tui.model.store.EVENT_LIMIT", 10)
    monkeypatch.setattr("flux.tui.model.store.EXECUTION_LIMIT", 5)
    api, store = FakeApi(), Store()
    for number in range(8):
        run = api.execution("a/b", S.COMPLETED, execution_id=f"r{number}", created_at=at(number))
        for _ in range(4):
            api.event(run.execution_id, E.TASK_STARTED, "t", at(number))
        store.set_detail(
            ExecutionDetail(**api.executions[run.execution_id].model_dump(), events=api.events[run.execution_id])
        )
    assert sum(map(len, store.histories.values())) <= 10
    assert len(store.executions) == len(store.order) == 5
    assert "r7" in store.executions
    assert store.history("r7")


@pytest.mark.parametrize("live", [S.RUNNING, S.COMPLETED], ids=["all run", "some have ended"])
def test_states_are_counted_whatever_comes_and_goes(monkeypatch, live):
    monkeypatch.setattr("flux.tui.model.store.EXECUTION_LIMIT", 4)
    api, store = FakeApi(), Store()
    states = [S.RUNNING, live, S.RUNNING, S.PAUSED, S.RUNNING, live, S.RUNNING]
    runs = [api.execution("a/b", state, execution_id=f"r{n}", created_at=at(n)) for n, state in enumerate(states)]
    for run in [*runs, runs[-1], runs[4].model_copy(update={"state": S.FAILED, "events_count": 99})]:
        store.put_execution(run)
    known = [execution.state for execution in store.executions.values()]
    assert len(known) == 4
    assert {state: store.count(state) for state in S} == {state: known.count(state) for state in S}


def test_reloads_stay_broken_until_fixed():
    store = Store()
    bad = ReloadModel(path="a.py", status="broken", time=NOW, error="x")
    assert store.add_reload(bad) == {Topic.RELOADS}
    assert store.add_reload(bad) == set()
    store.add_reload(ReloadModel(path="b.py", status="ok", time=at(1)))
    assert store.broken() == [bad]
    store.add_reload(ReloadModel(path="a.py", status="ok", time=at(2)))
    assert store.broken() == []
    store.add_reload(bad)
    assert store.broken() == []


def test_lines_are_kept_once_and_split():
    store = Store()
    log = LogModel(id=1, time=NOW, level="INFO", source="stdout", text="a\nb", execution_id="r")
    assert store.add_log(log)
    assert not store.add_log(log)
    assert [line.text for line in store.logs] == ["a", "b"]
    store.set_archive("r", [log])
    assert [line.text for line in store.logs_of("r")] == ["a", "b"]


def test_a_ring_keeps_its_numbers():
    ring = Ring[int](3)
    ring.extend(range(5))
    assert (ring.start, ring.end, list(ring), ring.since(3)) == (2, 5, [2, 3, 4], [3, 4])
    with pytest.raises(IndexError):
        ring[1]
    ring.clear()
    assert (ring.start, ring.end) == (5, 5)


def test_log_rows_follow_the_ring():
    ring, rows = Ring[LogModel](3), LogRows()
    for number in range(5):
        ring.append(LogModel(time=NOW, level="INFO", source="s", text=f"{'odd' if number % 2 else 'even'} {number}"))
        rows.update(ring, parse("even"))
    assert [log.text for log in rows.items] == ["even 2", "even 4"]
    assert rows.dropped == 1
    assert rows.update(ring, parse("odd"))
    assert [log.text for log in rows.items] == ["odd 3"]


# filters and panes


def test_filters():
    store, _ = filled()
    failed = executions(store, parse("state:failed"))
    assert [row.execution_id[:4] for row in failed] == ["51aa"]
    assert len(executions(store, parse("state:paused,fail"))) == 2
    assert all(match_execution(parse("SHOP order"), row) for row in executions(store, parse("shop")))
    assert executions(store, parse("shop etl")) == []


def test_panes_say_what_is_the_matter():
    known = {"loaded": True, "connected": True, "empty": "nothing yet"}
    assert pane_of(rows=0, total=0, **known).message == "nothing yet"
    assert pane_of(rows=0, total=4, query="x", **known).state is PaneState.FILTERED
    assert pane_of(rows=0, total=0, loaded=False, connected=True).state is PaneState.LOADING
    assert pane_of(rows=0, total=0, error="boom", **known).state is PaneState.ERROR
    assert pane_of(rows=3, total=3, loaded=True, connected=False).dimmed


# text and format


def test_nothing_unprintable_is_left():
    assert clean("\x1b[2J\x00\t\n\x7f\x9b\u202e\u200b\ud800").isprintable()
    assert clean("plain [/x]") == "plain [/x]"


@pytest.mark.parametrize("text", ["abc", "日本語テキスト", "e\u0301a", "", "x" * 50])
@pytest.mark.parametrize("width", [1, 2, 5, 10])
def test_fit_gives_exactly_the_width(text, width):
    assert cell_width(fit(text, width)) == width
    assert cell_width(fit(text, width, right=True)) == width


def test_wrap_and_spread():
    assert wrap("one two three", 7) == ["one two", "three"]
    assert all(cell_width(row) <= 5 for row in wrap("x" * 23 + " yy", 5))
    assert plain(spread([*wrap_span("a")], [*wrap_span("b")], 5)) == "a   b"


def wrap_span(text):
    from flux.tui.model.text import Span

    return [Span(text)]


def test_every_state_has_a_glyph_and_a_word():
    assert set(STATES) == set(S)
    assert state_text(S.COMPLETED) == "✓ done"


def test_durations_and_ages():
    assert [duration(value) for value in (0, 0.9996, 59.96, 3600, 90000)] == ["0ms", "1.0s", "1m00s", "1h00m", "1d01h"]
    assert age(NOW, NOW - timedelta(seconds=5)) == "0s"


def test_values_on_one_line():
    assert preview({"$type": "pickle", "preview": "<Frame\n3x2>"}) == "<Frame⏎3x2>"
    assert failure({"type": "builtins.ValueError", "message": "no"}) == "ValueError: no"
    assert len(preview("x" * 5000)) == 200


@pytest.mark.parametrize("width", [58, 78, 100, 158])
def test_rows_fill_the_width(width):
    store, api = filled()
    assert line_width(header(EXECUTION_COLUMNS, width)) == width
    for run in store.executions.values():
        assert line_width(execution_row(run, width, NOW)) == width
    for event in api.events["7f3a" + "0" * 28]:
        assert plain(event_row(event))
    assert "WARN" in plain(log_row(LogModel(time=NOW, level="WARNING", source="s", text="t")))


def test_tracebacks_and_json():
    text = (
        "Traceback (most recent call last):\n"
        '  File "/a/b.py", line 7, in f\n'
        "    return 1 / 0\n"
        "ZeroDivisionError: division by zero\n"
    )
    assert last_place(text) == ("/a/b.py", 7)
    assert "at /a/b.py:7" in plain(traceback_lines(text)[1])
    value = {"a": [1, "x: [/]", None]}
    assert json.loads("\n".join(plain(line) for line in json_lines(value))) == value


def test_equivalents():
    answer = equivalents.resume("id1", {"a": "it's"}, "approval")
    assert answer.cli == """flux execution resume id1 '{"a": "it'"'"'s"}' --wait approval"""
    assert answer.curl("http://h/").startswith("curl -X POST 'http://h/executions/id1/resume?wait=approval' --json ")


# forms


def test_a_form_of_a_schema():
    form = build(APPROVAL)
    found = {".".join(item.path): (item.kind, item.required, item.group) for item in form.fields}
    assert found == {
        "decision": ("enum", True, ""),
        "amount": ("integer", True, ""),
        "note": ("string", False, ""),
        "express": ("boolean", False, ""),
        "address.street": ("string", True, "address"),
        "address.city": ("string", False, "address"),
        "tags": ("json", False, ""),
    }


def test_values_go_in_and_out_unchanged():
    form = build(APPROVAL)
    value = {
        "decision": "reject",
        "amount": 3,
        "note": "n",
        "express": False,
        "address": {"street": "s", "city": "c"},
        "tags": ["a"],
        "more": {"kept": True},
    }
    assert value_of(form, entries_of(form, value), value) == (value, {})


def test_an_untouched_optional_group_is_left_out():
    form = build(APPROVAL)
    entries = defaults(form) | {("decision",): 0, ("amount",): "5"}
    value, errors = value_of(form, entries)
    assert errors == {}
    assert value == {"decision": "approve", "amount": 5, "note": "", "express": True, "tags": []}
    assert check(form, value) == {}


def test_errors_stand_at_their_fields():
    form = build(APPROVAL)
    _, errors = value_of(form, defaults(form) | {("amount",): "x", ("tags",): "["})
    assert errors[("amount",)] == "needs a whole number"
    assert errors[("tags",)].startswith("line 1, column 2")
    found = check(form, {"amount": 0, "address": {}})
    assert found == {
        ("decision",): "is required",
        ("amount",): "must be greater than 0",
        ("address", "street"): "is required",
    }


@pytest.mark.parametrize(
    ("location", "path"),
    [
        (["amount"], ("amount",)),
        (["body", "amount"], ("amount",)),
        (["address", "street"], ("address", "street")),
        (["address"], ("address", "street")),
        (["tags", 0, "x"], ("tags",)),
        (["unknown"], FORM),
        ([], FORM),
    ],
)
def test_places(location, path):
    assert place(build(APPROVAL), location) == path


def test_several_errors_of_a_field_are_joined():
    errors = [{"loc": ["tags", 0], "msg": "bad"}, {"loc": ["tags", 1], "msg": "worse"}, {"loc": ["zz"], "msg": "no"}]
    assert place_all(build(APPROVAL), errors) == {("tags",): "0: bad; 1: worse", FORM: "zz: no"}


@pytest.mark.parametrize(
    ("schema", "kind", "typed", "value"),
    [
        ({"type": "boolean"}, "boolean", True, True),
        ({"type": "string"}, "string", "hi", "hi"),
        ({"type": ["integer", "null"]}, "json", "3", 3),
        ({"enum": [1, "1", None]}, "enum", 1, "1"),
        ({"type": "number"}, "number", "1e3", 1000.0),
        (None, "json", '{"a": 1}', {"a": 1}),
        ({"type": "array"}, "json", "[1]", [1]),
    ],
)
def test_a_value_that_is_no_object(schema, kind, typed, value):
    form = build(schema)
    assert [item.kind for item in form.fields] == [kind]
    assert value_of(form, {(): typed}) == (value, {})


def test_optional_and_recursive_schemas():
    form = build(
        {"properties": {"a": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}, "b": {"$ref": "#"}}}
    )
    assert [(item.kind, item.nullable) for item in form.fields] == [
        ("integer", True),
        ("integer", True),
        ("json", False),
    ]
    assert value_of(form, defaults(form)) == ({}, {})
    assert build({"properties": {"x": {"$ref": "#/missing"}}}).fields[0].kind == "json"
    assert check(build({"properties": {"x": {"pattern": "("}}}), {"x": "y"}) == {}


def test_json_errors_say_where():
    assert read_json('{\n "a": }') == (None, "line 2, column 7: Expecting value")


# timelines


def events(*rows: tuple[E, str, float]) -> list[EventModel]:
    return [
        EventModel(type=kind, source_id=name, name=name, time=at(moment), id=str(number), seq=number)
        for number, (kind, name, moment) in enumerate(rows, 1)
    ]


def test_lanes_are_as_wide_as_asked_and_show_tries():
    history = events(
        (E.WORKFLOW_SCHEDULED, "w", 0),
        (E.WORKFLOW_STARTED, "w", 1),
        (E.TASK_STARTED, "charge", 1),
        (E.TASK_RETRY_STARTED, "charge", 3),
        (E.TASK_COMPLETED, "charge", 5),
        (E.TASK_STARTED, "pack", 5),
        (E.TASK_FAILED, "pack", 6),
        (E.WORKFLOW_FAILED, "w", 6),
    )
    rows = lanes(history, 60, at(100))
    assert all(line_width(row) == 60 for row in rows)
    text = [plain(row) for row in rows]
    assert "✗" in text[2] and "█" in text[2]
    assert text[2].index("✗") < text[2].index("█")
    assert text[3].rstrip().endswith("1.0s")


def test_a_result_out_of_the_cache_is_marked():
    history = events((E.TASK_STARTED, "load", 0), (E.TASK_CACHE_HIT, "load", 1), (E.TASK_COMPLETED, "load", 1))
    assert plain(lanes(history, 60, at(2))[1]).startswith("load (cached) ")


def test_long_gaps_are_folded():
    moments = [0.0, 1.0, 2.0, 3.0, 200_000.0]
    folded = scale(moments, 60)
    assert len(folded.folds) == 1
    assert folded.column(3.0) > 40
    assert folded.column(-5) == 0
    assert scale([0.0, 1.0, 2.0, 3.0], 60).folds == ()
    assert scale([5.0], 60).column(5.0) == 0


def test_running_lanes_grow_with_time():
    history = events((E.TASK_STARTED, "a", 0), (E.TASK_COMPLETED, "a", 2), (E.TASK_STARTED, "b", 2))
    assert plain(lanes(history, 60, at(4))[2]).count("▒") < plain(lanes(history, 60, at(20))[2]).count("▒")
    assert lanes([], 60, NOW) == []
    assert lanes(history, 10, NOW) == []


def test_children_are_indented_and_unfinished_work_ends_with_the_workflow():
    history = events((E.TASK_STARTED, "outer", 0), (E.TASK_STARTED, "inner", 1), (E.WORKFLOW_CANCELLED, "w", 3))
    history[1] = history[1].model_copy(update={"parent": "outer"})
    found = collect(history)
    assert [(lane.name, lane.depth) for lane in found] == [("outer", 0), ("inner", 1)]
    assert [lane.segments[0].kind for lane in found] == ["gone", "gone"]


def test_the_model_needs_no_terminal_library():
    code = (
        "import pkgutil, importlib, sys, flux.tui.model as m\n"
        "[importlib.import_module(x.name) for x in pkgutil.walk_packages(m.__path__, 'flux.tui.model.')]\n"
        "import flux.tui.feed, flux.tui.commands, flux.tui.controls\n"
        "assert not {'textual', 'rich'} & set(sys.modules), set(sys.modules) & {'textual', 'rich'}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_curl_call_is_quoted_for_every_shell():
    assert "'http://h:1/executions/abc?detailed=true'" in equivalents.show("abc").curl("http://h:1/")
    assert "?wait=a%20b%26c'" in equivalents.resume("abc", 1, "a b&c").curl("http://h:1")


def test_a_divergence_shows_both_calls_their_lines_and_the_cause():
    output = {
        "type": "NonDeterminismError",
        "recorded": "charge(amount=8) (event 5)",
        "recorded_at": "/srv/order.py:21",
        "attempted": "tax(amount=8)",
        "attempted_at": "/srv/order.py:22",
        "cause": "charge was replaced by it, or a call of tax was added before it",
    }
    assert is_divergence(output)
    assert not is_divergence({"type": "ValueError"})
    shown = [plain(line).rstrip() for line in divergence_lines(output, 50)]
    assert shown[:6] == [
        "recorded  charge(amount=8) (event 5)",
        "          /srv/order.py:21",
        "now       tax(amount=8)",
        "          /srv/order.py:22",
        "cause     charge was replaced by it, or a call of",
        "          tax was added before it",
    ]
    assert "fits its history" in " ".join(shown[6:])
