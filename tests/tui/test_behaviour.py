"""What keys do, on a live server in memory."""

import asyncio
import time
from pathlib import Path

import pytest
from textual.widgets import Input, Select, Switch, TextArea

from flux.domain.events import ExecutionEventType as E
from flux.domain.events import ExecutionState as S
from flux.domain.events import WaitKind
from flux.errors import WaitAnsweredError
from flux.tui.dialogs.confirm import ConfirmDialog
from flux.tui.dialogs.form import FormDialog
from flux.tui.handoff import Place, editor_command
from flux.tui.model.store import Topic
from flux.tui.screens.executions import ExecutionsScreen
from flux.tui.widgets.detail import DetailPane
from flux.tui.widgets.line_view import LineView
from flux.tui.widgets.log_view import LogView
from flux.tui.widgets.schema_form import SchemaForm
from flux.wire.models import ReloadModel
from tests.tui.conftest import WIDE
from tests.tui.fake import NOW, FakeApi, FakeControls, at, populate

PAUSED = "7f3a" + "0" * 28


async def test_live_events_reach_the_list_and_the_detail(start):
    async with start(size=WIDE) as ui:
        run = ui.api.execution("shop/order", S.SCHEDULED, execution_id="beef" + "0" * 28, created_at=at(1))
        ui.api.event(run.execution_id, E.WORKFLOW_STARTED, "order", at(1), live=True, state=S.RUNNING)
        await ui.until("beef0000")
        ui.app.area.main.select(run.execution_id)
        await ui.until(lambda: ui.app.store.history(run.execution_id) is not None)
        ui.api.event(
            run.execution_id, E.TASK_STARTED, "weigh_parcel", at(2), source="w1", live=True, current="weigh_parcel"
        )
        await ui.until(lambda: ui.text.count("weigh_parcel") >= 2)


async def test_the_selection_stays_on_its_execution(start):
    async with start() as ui:
        await ui.press("down", "down")
        chosen = ui.app.area.main.identity
        run = ui.api.execution("shop/order", S.RUNNING, created_at=at(5))
        ui.api.emit(kind="event", execution=run)
        await ui.until(lambda: len(ui.app.area.main.rows.items) == 13)
        assert ui.app.area.main.identity == chosen
        assert ui.app.area.main.cursor == 3


async def test_following_jumps_to_the_newest(start):
    async with start() as ui:
        await ui.press("down", "f")
        run = ui.api.execution("shop/order", S.RUNNING, created_at=at(5))
        ui.api.emit(kind="event", execution=run)
        await ui.until(lambda: ui.app.area.main.identity == run.execution_id)
        await ui.press("j")
        assert not ui.app.area.main.follow


async def test_a_paused_view_freezes_but_loses_nothing(start):
    async with start() as ui:
        await ui.press("space")
        run = ui.api.execution("shop/order", S.RUNNING, execution_id="feed" + "0" * 28, created_at=at(5))
        ui.api.emit(kind="event", execution=run)
        await ui.until("PAUSED +1")
        assert "feed0000" not in ui.text
        await ui.press("space")
        await ui.until("feed0000")


async def test_cancel_asks_and_keeps_running_by_default(start):
    async with start() as ui:
        await ui.press("c")
        assert isinstance(ui.app.screen, ConfirmDialog)
        await ui.press("enter")
        assert not any(call[0] == "cancel" for call in ui.api.calls)
        await ui.press("c", "y")
        await ui.until("≡ flux execution cancel")
        assert ("cancel", "9c2e" + "0" * 28) in ui.api.calls
        await ui.until("⊘ cancelling")


async def test_keys_that_make_no_sense_say_why(start):
    async with start() as ui:
        await ui.press("r")
        await ui.until("the execution does not wait for an answer")
        assert not isinstance(ui.app.screen, FormDialog)


async def open_resume(ui):
    await ui.press("2", "r")
    await ui.until(lambda: isinstance(ui.app.screen, FormDialog))
    await ui.pilot.pause()
    return ui.app.screen.query_one(SchemaForm)


async def test_resume_by_form(start):
    async with start() as ui:
        form = await open_resume(ui)
        await ui.press("ctrl+s")
        assert {"↑ is required"} == {str(label.render()) for label in form.query(".error.-shown")}
        assert ui.app.focused is form.query_one("#field-0")
        form.query_one("#field-0", Select).value = 0
        form.query_one("#field-1", Input).value = "12"
        form.query_one("#field-3", Switch).value = False
        await ui.press("ctrl+s")
        await ui.until("≡ flux execution resume")
        call = next(call for call in ui.api.calls if call[0] == "resume")
        assert call == (
            "resume",
            PAUSED,
            {"decision": "approve", "amount": 12, "note": "", "express": False, "tags": []},
            "a5",
        )
        await ui.until(lambda: ui.app.store.executions[PAUSED].state is S.RESUMING)


async def test_the_servers_field_errors_stand_at_the_field_and_it_stays_open(start):
    async with start() as ui:
        form = await open_resume(ui)
        form.query_one("#field-0", Select).value = 0
        form.query_one("#field-1", Input).value = "5000"
        await ui.press("ctrl+s")
        await ui.until("more than the order is worth")
        assert isinstance(ui.app.screen, FormDialog)
        assert ui.app.focused is form.query_one("#field-1")
        assert form.query_one("#error-1").has_class("-shown")


async def test_an_answer_that_came_too_late_closes_with_a_notice(start):
    async with start() as ui:
        form = await open_resume(ui)
        ui.api.refuse = WaitAnsweredError("That wait was answered by somebody else.")
        form.query_one("#field-0", Select).value = 1
        form.query_one("#field-1", Input).value = "5"
        await ui.press("ctrl+s")
        await ui.until("answered by somebody else")
        assert not isinstance(ui.app.screen, FormDialog)


async def test_raw_json_keeps_values_both_ways(start):
    async with start() as ui:
        form = await open_resume(ui)
        form.query_one("#field-1", Input).value = "12"
        await ui.press("ctrl+t")
        raw = form.query_one("#raw", TextArea)
        assert '"amount": 12' in raw.text
        raw.text = '{"decision": "reject", "amount": 13, "extra": [1]}'
        await ui.press("ctrl+t")
        assert form.query_one("#field-0", Select).value == 1
        assert form.query_one("#field-1", Input).value == "13"
        await ui.press("ctrl+t")
        assert '"extra"' in raw.text
        raw.text = "{"
        await ui.press("ctrl+s")
        await ui.until("line 1, column 2")


async def test_a_draft_is_kept(start):
    async with start() as ui:
        form = await open_resume(ui)
        form.query_one("#field-1", Input).value = "77"
        await ui.press("escape")
        assert not isinstance(ui.app.screen, FormDialog)
        form = await open_resume(ui)
        assert form.query_one("#field-1", Input).value == "77"


async def test_run_a_workflow_and_see_it(start):
    async with start() as ui:
        await ui.press("3", "down", "down", "enter")
        await ui.until(lambda: isinstance(ui.app.screen, FormDialog))
        await ui.pilot.pause()
        await ui.type("42")
        await ui.press("ctrl+s")
        await ui.until(lambda: isinstance(ui.app.screen, ExecutionsScreen))
        assert ("run", "shop/order", {"order": 42, "customer": "Ada"}) in ui.api.calls
        await ui.until("≡ flux workflow run shop/order")
        await ui.until(lambda: ui.app.area.selection()[0].input == {"order": 42, "customer": "Ada"})


async def test_rerun_and_edit(start):
    async with start() as ui:
        await ui.press("down", "R")
        await ui.until(lambda: ("run", "shop/order", {"order": 7, "customer": "Ada"}) in ui.api.calls)
        await ui.settled()
        await ui.press("e")
        await ui.until(lambda: isinstance(ui.app.screen, FormDialog))
        await ui.pilot.pause()
        assert ui.app.screen.query_one("#field-0", Input).value == "7"


async def test_last_inputs_fill_the_form(start):
    async with start() as ui:
        await ui.press("3", "down", "down", "enter")
        await ui.until(lambda: isinstance(ui.app.screen, FormDialog))
        form = ui.app.screen.query_one(SchemaForm)
        await ui.press("ctrl+y", "down", "enter")
        await ui.until(lambda: form.query_one("#field-0", Input).value == "6")


async def test_filter_by_text_and_state(start):
    async with start() as ui:
        await ui.press("slash")
        await ui.type("state:fa")
        await ui.until("1 of 12")
        assert "51aa0000" in ui.text
        await ui.press("enter", "escape")
        await ui.until("12 total")


async def test_reconnects_with_the_last_event_id_and_dims_meanwhile(start):
    async with start() as ui:
        ui.api.log("hello")
        await ui.until(lambda: ui.app.store.last_event_id == 101)
        ui.api.break_connections()
        await ui.until("reconnecting")
        assert ui.app.area.main.pane.dimmed
        ui.api.emit(kind="event", execution=ui.api.execution("ml/train", S.RUNNING, execution_id="cafe" + "0" * 28))
        ui.api.down = False
        await ui.until("cafe0000")
        await ui.until(lambda: ui.app.store.connection.connected)
        assert [call for call in ui.api.calls if call[0] == "live"][-1] == ("live", 101)


async def test_a_gap_fetches_everything_again(start):
    async with start() as ui:
        ui.api.execution("ml/train", S.RUNNING, execution_id="dead" + "0" * 28)
        ui.api.emit(kind="gap")
        await ui.until("dead0000")


async def test_a_broken_file_stays_red_until_it_is_fixed(start):
    async with start(controls=FakeControls()) as ui:
        ui.api.reload(path="shop.py", status="broken", error="NameError: x", line=3, serving="v4")
        await ui.until("✗ shop.py:3 NameError: x — still running v4")
        ui.api.reload(path="etl.py", status="ok", changes=["etl v10"], took_ms=12, time=at(1))
        await ui.until(lambda: len(ui.app.store.reloads) == 2)
        await ui.settled()
        assert "✗ shop.py:3" in ui.text
        ui.api.reload(path="shop.py", status="ok", changes=["shop/order v5"], took_ms=84, time=at(2))
        await ui.until("shop/order v5")
        assert "✗ shop.py:3" not in ui.text
        assert "84 ms" in ui.text


async def test_reload_and_restart_go_to_the_supervisor(start):
    controls = FakeControls()
    async with start(controls=controls) as ui:
        await ui.press("ctrl+r", "ctrl+x")
        await ui.until(lambda: (controls.reloads, controls.restarts) == (1, 1))


async def test_attached_there_is_nothing_to_restart(start):
    async with start() as ui:
        await ui.press("ctrl+x")
        await ui.until("somebody else's server")


async def test_quitting_asks_only_when_something_of_ours_runs(start):
    async with start(controls=FakeControls()) as ui:
        await ui.press("q")
        await ui.until(lambda: isinstance(ui.app.screen, ConfirmDialog))
        await ui.press("n")
        assert ui.app.is_running
    async with start() as ui:
        await ui.press("q")
        await ui.until(lambda: not ui.app.is_running)


async def test_logs_follow_and_stay_put(start):
    async with start() as ui:
        await ui.press("4")
        for number in range(100):
            ui.api.log(f"line {number}")
        await ui.until("line 99")
        view = ui.app.area.query_one(LogView)
        await ui.press("k", "k")
        assert not view.follow
        top = view.window.y
        ui.api.log("one more")
        await ui.until(lambda: view.rows.items[-1].text == "one more")
        assert view.window.y == top
        assert "one more" not in ui.text
        await ui.press("G")
        await ui.until("one more")
        assert view.follow


async def test_trimming_does_not_move_the_line_under_the_eye(start):
    async with start() as ui:
        ui.app.store.logs.limit = 60
        await ui.press("4")
        for number in range(60):
            ui.api.log(f"line {number}")
        await ui.until("line 59")
        await ui.press("k")
        await ui.press("k")
        view = ui.app.area.query_one(LogView)
        chosen = view.item.text
        row = view.cursor - view.window.y
        for number in range(10):
            ui.api.log(f"later {number}")
        await ui.until(lambda: view.rows.items[-1].text == "later 9")
        await ui.until(lambda: view.cursor - view.window.y == row)
        assert view.item.text == chosen


async def test_copy_says_where_it_went(start, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with start() as ui:
        await ui.press("down", "y", "enter")
        await ui.until("copied it to")
        assert ui.app.clipboard == PAUSED
        assert next(tmp_path.glob("flux-copy-*")).read_text() == PAUSED


async def test_stray_output_becomes_log_lines(start):
    from flux.tui.run import _keep

    async with start() as ui:
        await ui.press("4")
        _keep(ui.app, "RAW \x1b[2J on fd 2")
        await ui.until("RAW ␛[2J on fd 2")


async def test_palette_runs_workflows_and_finds_executions(start):
    async with start() as ui:
        await ui.press("colon")
        await ui.type("run ml")
        await ui.until("Run ml/train v4")
        await ui.press("down", "enter")
        await ui.until(lambda: isinstance(ui.app.screen, FormDialog))


async def test_detail_tabs(start):
    async with start() as ui:
        await ui.press("down", "enter")
        await ui.until("receipt-118")
        await ui.press("right_square_bracket")
        await ui.until("Shows while it waits")
        await ui.press("t")
        await ui.until("charge_card ×2")  # noqa: RUF001
        await ui.press("escape")
        await ui.until("TOOK")


async def test_the_editor_opens_at_the_broken_line(start, monkeypatch):
    monkeypatch.setenv("VISUAL", "nano")
    assert editor_command(Place("shop.py", 41)) == ["nano", "+41", "shop.py"]
    monkeypatch.setenv("VISUAL", "code")
    assert editor_command(Place("shop.py", 41)) == ["code", "--wait", "--goto", "shop.py:41"]
    api = populate(FakeApi())
    api.results = [ReloadModel(path="shop.py", status="broken", line=41, time=NOW)]
    async with start(api) as ui:
        assert ui.app.actions.place(None, None) == Place("shop.py", 41)


HOSTILE = [
    "[/x]",
    "[red]boom[/red]",
    "[@click=app.quit]x[/]",
    "\x1b[2J\x07",
    "a\nb\tc",
    "日本語" * 40,
    "\u202eevil",
    "]" * 50,
    "$[",
    "\ud800",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_is_only_text(start, text):
    api = FakeApi()
    schema = {
        "type": "object",
        "title": text,
        "properties": {
            text: {"type": "string", "description": text, "default": text},
            "e": {"enum": [text], "description": text},
        },
        "required": ["e"],
    }
    async with start(api, size=WIDE, controls=FakeControls()) as ui:
        run = api.execution(
            "shop/order",
            S.FAILED,
            created_at=at(0),
            current_task=text,
            worker=text,
            input={text: text},
            output={"type": text, "message": text, "traceback": text},
        )
        api.event(run.execution_id, E.TASK_FAILED, text, at(0), {"message": text}, source=text, live=True)
        api.log(text, source=text, task=text, execution_id=run.execution_id)
        api.reload(path=text, status="broken", error=text, traceback=text, serving=text)
        await ui.until(lambda: len(ui.app.store.logs) >= 1 and ui.app.store.broken())
        await ui.settled()
        for keys in (
            ["enter"],
            ["right_square_bracket"] * 3,
            ["y", "escape"],
            ["exclamation_mark", "escape"],
            ["question_mark", "escape"],
            ["colon", "x", "escape"],
            ["4", "k", "enter", "escape"],
        ):
            await ui.press(*keys)
        ui.app.notify(text)
        from flux.tui.dialogs.choice import ChoiceDialog
        from flux.tui.dialogs.form import Asked

        ui.app.push_screen(ChoiceDialog(text, [(text, text)]))
        await ui.press("enter")
        ui.app.push_screen(FormDialog(Asked(text, "Resume", schema, shown=text), lambda value: asyncio.sleep(0)))
        await ui.press("ctrl+t", "ctrl+t", "escape")
        ui.app.push_screen(ConfirmDialog(text, [text], yes=text, no=text))
        await ui.press("n")
        assert "\x1b" not in ui.text
        assert all("\x1b" not in row for view in ui.app.area.query(LineView) for row in view.text_lines())


def test_no_snapshot_is_left_behind():
    """Every file under `snapshots/` belongs to a test of this folder that still asks for it."""
    root = Path(__file__).resolve().parents[2] / "snapshots"
    tests = {path.stem: path.read_text() for path in Path(__file__).parent.glob("test_*.py")}
    from tests.tui.test_screens import LOOKS, VIEWS

    for path in root.rglob("*.*"):
        source = tests.get(path.parent.name, "")
        test, _, rest = path.name.partition("[")
        test = test.partition(".")[0]
        assert f"def {test}(" in source, f"{path} belongs to no test"
        if test == "test_view":
            view = rest.partition("-80x24")[0].partition("-160x50")[0]
            assert view in VIEWS, f"{path} belongs to no view"
            assert path.suffix == ".txt" or view in LOOKS, f"{path} is not asked for"


async def test_a_lost_repaint_is_made_up_for_by_the_next_tick(start):
    async with start() as ui:
        ui.app._repaint_due = True
        run = ui.api.execution("shop/order", S.RUNNING, execution_id="beef" + "0" * 28, created_at=at(1))
        ui.api.emit(kind="event", execution=run)
        await ui.until("beef0000")
        assert not ui.app._repaint_due


async def test_a_repaint_survives_a_loop_that_was_held_up(start):
    async with start() as ui:
        ui.app.changed({Topic.EXECUTIONS})
        time.sleep(0.25)  # noqa: ASYNC251 (holding up the loop is the point)
        await ui.until(lambda: not ui.app._repaint_due and not ui.app._dirty)


def many(count=60):
    api = populate(FakeApi())
    for number in range(count):
        api.execution("default/etl", S.COMPLETED, created_at=at(-2000 - number), finished_at=at(-1999.998 - number))
    return api


async def arrive(ui, name):
    run = ui.api.execution("shop/order", S.RUNNING, execution_id=name + "0" * 28, created_at=at(5 + len(ui.api.past)))
    ui.api.emit(kind="event", execution=run)
    await ui.until(lambda: run.execution_id in ui.app.store.executions and not ui.app._repaint_due)


async def test_at_the_top_new_runs_stay_in_sight(start):
    async with start(many()) as ui:
        view = ui.app.area.main
        chosen = view.identity
        for number in range(40):
            await arrive(ui, f"bee{number:x}".ljust(6, "f"))
            assert ui.app.area.main.window.y == 0
            if number == 3:
                assert view.identity == chosen
        assert "bee27f" in ui.text
        assert view.cursor < view.window.height
        assert "newer" not in ui.text


async def test_elsewhere_it_says_how_many_are_newer(start):
    async with start(many()) as ui:
        await ui.press(*["down"] * 5)
        chosen = ui.app.area.main.identity
        await arrive(ui, "beefaa")
        await arrive(ui, "beefbb")
        await ui.until("↑ 2 newer")
        assert ui.app.area.main.identity == chosen
        await ui.press("g")
        await ui.until("beefbb")
        assert "newer" not in ui.text


@pytest.mark.parametrize("size", [(80, 24), WIDE])
async def test_zoom_gives_one_pane_the_body(start, size):
    async with start(size=size) as ui:
        area = ui.app.area
        await ui.press("z")
        assert "ZOOM" in ui.text
        assert not area.detail.display
        assert area.main.size.width >= size[0] - 2
        await ui.press("enter")
        await ui.until(lambda: area.detail.display)
        await ui.press("z")
        assert not area.query_one("#list-pane").display
        assert area.detail.size.height >= size[1] - 5
        await ui.press("z")
        assert area.query_one("#list-pane").display == (size == WIDE)


async def test_the_logs_can_be_zoomed(start):
    async with start(size=WIDE) as ui:
        ui.app.area.query_one("#log").focus()
        await ui.press("z")
        assert ui.app.area.query_one("#log-pane").size.height >= 44


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (110, 24), WIDE])
@pytest.mark.parametrize("count", [0, 60])
async def test_the_last_column_is_whole(start, size, count):
    async with start(many(count), size=size) as ui:
        view = ui.app.area.main
        rows = [row[: view.region.right] for row in ui.text.splitlines() if "✓ done" in row]
        assert rows
        for row in rows:
            assert row[: view.region.x + view._width].rstrip().endswith(("s", "m", "h", "—")), row
        await ui.press("G")
        if count:
            await ui.until(lambda: view.show_vertical_scrollbar)
            last = next(row for row in ui.text.splitlines() if row.startswith("▌"))
            assert last[view._width - 4 : view._width] == " 2ms"


@pytest.mark.parametrize(("area", "end"), [("2", "WAKES"), ("3", "FILE")])
async def test_other_tables_fit_with_a_scrollbar(start, area, end):
    async with start() as ui:
        for number in range(40):
            ref = f"ns/w{number}"
            ui.api.workflows[ref] = ui.api.workflows["ml/train"].model_copy(
                update={"namespace": "ns", "name": f"w{number}"}
            )
            ui.api.open_waits.append(ui.api.open_waits[1].model_copy(update={"id": f"t{number}"}))
        await ui.press(area, "ctrl+l")
        view = ui.app.area.main
        await ui.until(lambda: view.show_vertical_scrollbar)
        await ui.pilot.pause()
        rows = ui.text.splitlines()[3:9]
        assert end in ui.text
        for row in rows:
            assert "…" not in row[view._width - 1 : view._width]
            assert row[: view._width].rstrip().endswith(("m", ":11", "—")), row


async def run_form(ui, schema):
    ui.api.workflows["ml/train"] = ui.api.workflows["ml/train"].model_copy(
        update={"input_schema": schema, "version": 5}
    )
    await ui.press("3", "ctrl+l", "down")
    await ui.until("v5")
    await ui.settled()
    await ui.press("enter")
    await ui.until(lambda: isinstance(ui.app.screen, FormDialog))
    await ui.pilot.pause()
    return ui.app.screen.query_one(SchemaForm)


MIXED = {
    "type": "object",
    "properties": {
        "zeta": {"type": "array", "items": {"type": "integer"}},
        "name": {"type": "string"},
        "epochs": {"type": "integer", "minimum": 10},
    },
    "required": ["zeta", "name", "epochs"],
}


def errors_of(form):
    return [str(label.render()) for label in form.query(".error.-shown")]


async def test_all_errors_at_once_and_each_goes_when_its_field_is_right(start):
    async with start() as ui:
        form = await run_form(ui, MIXED)
        assert "zeta * json" in ui.text
        assert ui.text.index("zeta *") < ui.text.index("name *") < ui.text.index("epochs *")
        form.query_one("#field-0", TextArea).text = "[1,"
        await ui.press("ctrl+s")
        assert [error.split(":")[0] for error in errors_of(form)] == [
            "↑ line 1, column 4",
            "↑ is required",
            "↑ is required",
        ]
        form.query_one("#field-0", TextArea).text = "[1]"
        await ui.until(lambda: len(errors_of(form)) == 2)
        form.query_one("#field-1", Input).value = "x"
        await ui.until(lambda: len(errors_of(form)) == 1)
        form.query_one("#field-2", Input).focus()
        await ui.type("1")
        assert errors_of(form) == ["↑ must be at least 10"]
        await ui.type("5")
        assert errors_of(form) == []


async def test_numbers_are_judged_while_typing(start):
    async with start() as ui:
        form = await run_form(ui, MIXED)
        form.query_one("#field-2", Input).focus()
        await ui.type("1")
        assert errors_of(form) == ["↑ must be at least 10"]


async def test_enter_in_the_only_field_submits(start):
    async with start() as ui:
        await run_form(ui, {"type": "object", "properties": {"epochs": {"type": "integer"}}})
        await ui.type("3")
        await ui.press("enter")
        await ui.until(lambda: ("run", "ml/train", {"epochs": 3}) in ui.api.calls)


async def test_a_field_is_in_sight_with_its_label(start):
    members = {f"field{number}": {"type": "string", "format": "textarea"} for number in range(9)}
    schema = {"type": "object", "properties": members, "required": ["field0", "field7"]}
    async with start() as ui:
        form = await run_form(ui, schema)
        assert "field0 *" in ui.text
        for number in range(1, 9):
            await ui.press("tab")
            await ui.until(f"field{number}")
            assert ui.app.focused is form.query_one(f"#field-{number}")
        await ui.press("ctrl+s")
        await ui.until("field0 *")


async def test_a_divergence_is_told_where_it_waits_and_on_its_execution(start):
    api = populate(FakeApi())
    told = {
        "type": "NonDeterminismError",
        "message": "Replay diverged.",
        "recorded": "charge(amount=8) (event 5)",
        "recorded_at": "/srv/order.py:21",
        "attempted": "tax(amount=8)",
        "attempted_at": "/srv/order.py:22",
        "cause": "a call of tax was added before charge",
    }
    parked = api.open_waits[0].model_copy(
        update={"id": "d1", "name": "divergence", "kind": WaitKind.DIVERGENCE, "output": told, "input_schema": None}
    )
    api.open_waits[0] = parked
    api.executions[PAUSED] = api.executions[PAUSED].model_copy(update={"output": told})
    async with start(api, size=WIDE) as ui:
        await ui.press("2")
        await ui.until("a call of tax was added before charge")
        assert all(
            part in ui.text for part in ("charge(amount=8) (event 5)", "/srv/order.py:22", "flux workflow check")
        )
        await ui.press("1")
        ui.app.area.main.select(PAUSED)
        ui.app.area.query_one(DetailPane).choose("values")
        await ui.until("a call of tax was added before charge")
        assert "/srv/order.py:21" in ui.text
