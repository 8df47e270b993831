import pytest

from flux.domain.events import ExecutionState as S
from flux.tui.actions import Actions
from flux.tui.commands import AREAS, BY_ID, COMMANDS, SCREENS, Context, clashes, hints, in_scopes
from flux.tui.dialogs.help import help_lines
from flux.tui.model.text import plain
from flux.tui.widgets.line_view import LineView
from tests.tui.fake import FakeApi, at, populate

EVERYWHERE = ("ctrl+q", "ctrl+c")


@pytest.mark.parametrize("name", SCREENS)
def test_no_two_commands_share_a_key_in_any_scope(name):
    assert clashes(SCREENS[name]) == []


def test_ids_are_unique_and_every_scope_is_on_a_screen():
    assert len(BY_ID) == len(COMMANDS)
    used = {scope for scopes in SCREENS.values() for scope in scopes}
    assert all(command.scopes <= used for command in COMMANDS)


def test_keys_that_terminals_confuse_are_not_used():
    confused = {"ctrl+j", "ctrl+m", "ctrl+i", "ctrl+h", "ctrl+o", "ctrl+b", "ctrl+a", "alt+enter"}
    assert not confused & {key for command in COMMANDS for key in command.keys}


@pytest.mark.parametrize("area", [name for name, _ in AREAS])
def test_every_command_of_an_area_has_a_method(area):
    for command in in_scopes(SCREENS[area]):
        if "rows" in command.scopes:
            assert hasattr(LineView, "action_command")
        else:
            assert callable(getattr(Actions, command.id.replace(".", "_"))), command.id


def test_every_command_that_changes_something_equals_a_command_line():
    api = populate(FakeApi())
    context = Context(
        execution=next(item for item in api.executions.values() if item.state is S.PAUSED),
        wait=api.open_waits[0],
        workflow=next(iter(api.workflows.values())),
        waits=tuple(api.open_waits),
    )
    for command in COMMANDS:
        if command.mutates:
            equivalent = command.equals(context)
            assert equivalent is not None, command.id
            assert equivalent.cli.startswith("flux ")
            assert equivalent.http.split()[0] in ("POST", "GET", "DELETE")


def test_area_keys_follow_the_order_of_areas():
    assert [BY_ID[f"area.{name}"].keys for name, _ in AREAS] == [("1",), ("2",), ("3",), ("4",)]


def test_commands_say_why_they_make_no_sense():
    api = FakeApi()
    done = api.execution("shop/order", S.COMPLETED, created_at=at(-9))
    context = Context(execution=done)
    assert BY_ID["execution.cancel"].when(context) == "the execution is finished"
    assert BY_ID["execution.resume"].when(context) == "the execution does not wait for an answer"
    assert BY_ID["execution.rerun"].when(context) == ""
    assert BY_ID["execution.rerun"].when(Context(execution=done, connected=False)) == "the server does not answer"
    hidden = Context(execution=done.model_copy(update={"input": "•••"}))
    assert "secret" in BY_ID["execution.rerun"].when(hidden)
    assert BY_ID["reload.now"].when(Context(attached=True))


def test_quiet_commands_stay_out_of_the_footer():
    assert "problems.open" not in [command.id for command, _ in hints(SCREENS["executions"], Context())]
    assert "problems.open" in [command.id for command, _ in hints(SCREENS["executions"], Context(has_problem=True))]


@pytest.mark.parametrize("area", [name for name, _ in AREAS])
def test_help_names_every_command_of_the_area(area):
    text = "\n".join(plain(line) for line in help_lines(Context(area=area)))
    assert all(command.help in text for command in in_scopes(SCREENS[area]))
