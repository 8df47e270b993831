import subprocess
import sys
from importlib import import_module

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from flux.cli.errors import reported
from flux.cli.main import COMMANDS, app
from flux.cli.options import new_app
from flux.errors import InvalidInputError, WorkflowNotFoundError

HEAVY = ("fastapi", "textual", "httpx", "pydantic", "pydantic_settings", "rich", "uvicorn", "watchfiles", "dill")


def leaves():
    for name, entry in COMMANDS.items():
        command = get_command(import_module(entry.module).app)
        for sub, one in getattr(command, "commands", {None: command}).items():
            yield pytest.param([name] if sub is None else [name, sub], one, id=" ".join(filter(None, (name, sub))))


def test_help_imports_nothing_heavy():
    script = (
        "import sys; from flux.cli.main import main; sys.argv = ['flux', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert result.stderr.strip() == "[]"
    for name in COMMANDS:
        assert f"  {name} " in result.stdout


@pytest.mark.parametrize(("path", "command"), list(leaves()))
def test_every_command_has_help_with_an_example(path, command):
    result = CliRunner().invoke(app, [*path, "--help"])
    assert result.exit_code == 0, result.output
    assert "Example:" in result.output
    assert f"flux {' '.join(path)}" in result.output
    if len(path) == 1:
        assert COMMANDS[path[0]].help


def test_a_mistyped_command_is_answered_with_the_nearest():
    result = CliRunner().invoke(app, ["worklfow", "list"])
    assert result.exit_code == 2
    assert "Did you mean 'workflow'?" in result.stderr


def told(error):
    """What a command that raises `error` says, and its exit code."""
    app = new_app("Test.")

    @app.command()
    def fail() -> None:
        with reported():
            raise error

    result = CliRunner().invoke(app, [])
    assert result.stdout == ""
    return result.exit_code, result.stderr


def test_errors_are_told_with_their_hint_and_code():
    code, said = told(WorkflowNotFoundError("shop/order"))
    assert code == 1
    assert said.splitlines()[0] == "Error: Workflow 'shop/order' not found."
    assert "flux workflow list" in said


def test_each_wrong_field_gets_a_line():
    errors = [{"loc": ["order", "amount"], "msg": "must be positive", "type": "x"}]
    code, said = told(InvalidInputError("The input is not valid.", errors))
    assert code == 2
    assert "  order.amount: must be positive" in said.splitlines()


def test_our_own_bugs_show_no_traceback_unless_asked(monkeypatch):
    code, said = told(KeyError("x"))
    assert code == 70
    assert "Traceback" not in said
    monkeypatch.setenv("FLUX_DEBUG", "1")
    assert "Traceback" in told(KeyError("x"))[1]
