"""`flux secrets` and `flux configs`: by a server that answers, else in the store of this project."""

from __future__ import annotations

import json
import socket

import pytest
from typer.testing import CliRunner

from flux.cli.main import app

DONE = {"status": "success", "message": "done"}


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """Runs a command where no server answers."""
    monkeypatch.setenv("FLUX_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: nobody else answers there either
        monkeypatch.setenv("FLUX_SERVER_HOST", "127.0.0.1")
        monkeypatch.setenv("FLUX_SERVER_PORT", str(unused.getsockname()[1]))
        yield lambda *arguments, stdin=None: CliRunner().invoke(app, list(arguments), input=stdin)


def test_a_secret_is_sent_to_the_server(server):
    server.answers["POST /admin/secrets"] = DONE
    result = server.run("secrets", "set", "API_KEY", "hunter2")
    assert result.stdout == "Secret 'API_KEY' has been set successfully.\n"
    assert server.asked == [("POST /admin/secrets", {}, {"name": "API_KEY", "value": "hunter2"})]


@pytest.mark.parametrize(
    ("arguments", "stdin", "value"),
    [(["-"], "from a pipe\nof two lines\n", "from a pipe\nof two lines"), ([], "typed\n", "typed")],
)
def test_a_secret_comes_from_a_pipe_or_is_asked_for(server, arguments, stdin, value):
    server.answers["POST /admin/secrets"] = DONE
    result = server.run("secrets", "set", "A", *arguments, stdin=stdin)
    assert result.exit_code == 0
    assert server.asked[0][2]["value"] == value
    assert "typed" not in result.output


def test_a_secret_is_shown_after_a_question(server):
    server.answers["GET /admin/secrets/API_KEY"] = {"name": "API_KEY", "value": "hunter2"}
    refused = server.run("secrets", "get", "API_KEY", stdin="n\n")
    assert (refused.exit_code, "hunter2" in refused.output, server.asked) == (1, False, [])
    agreed = server.run("secrets", "get", "API_KEY", stdin="y\n")
    assert (agreed.exit_code, agreed.stdout.endswith("Secret 'API_KEY': hunter2\n")) == (0, True)
    assert server.run("secrets", "get", "API_KEY", "--yes").stdout == "Secret 'API_KEY': hunter2\n"
    shown = server.run("secrets", "get", "API_KEY", "--format", "json").stdout
    assert json.loads(shown) == {"name": "API_KEY", "value": "hunter2"}


@pytest.mark.parametrize("kind", ["secrets", "configs"])
def test_names_are_listed_and_forgotten(server, kind):
    server.answers[f"GET /admin/{kind}"] = ["A", "B"]
    server.answers[f"DELETE /admin/{kind}/A"] = DONE
    assert server.run(kind, "list").stdout == "A\nB\n"
    assert json.loads(server.run(kind, "list", "--format", "json").stdout) == ["A", "B"]
    removed = server.run(kind, "remove", "A")
    assert removed.stdout == f"{kind.capitalize()[:-1]} 'A' has been removed successfully.\n"
    server.answers[f"GET /admin/{kind}"] = []
    empty = server.run(kind, "list")
    assert (empty.stdout, f"flux {kind} set" in empty.stderr) == ("", True)


@pytest.mark.parametrize("kind", ["secrets", "configs"])
def test_an_unknown_one_is_an_error(server, kind):
    result = server.run(kind, "remove", "NOPE")
    assert (result.exit_code, result.stdout) == (1, "")


def test_configs_are_json(server):
    server.answers["POST /admin/configs"] = DONE
    server.answers["GET /admin/configs/limits"] = {"name": "limits", "value": {"rows": 10}}
    server.run("configs", "set", "limits", '{"rows": 10}')
    server.run("configs", "set", "limits", "-", stdin="[1]")
    assert [body["value"] for _, _, body in server.asked] == [{"rows": 10}, [1]]
    assert server.run("configs", "get", "limits").stdout == "Config 'limits': {\"rows\": 10}\n"
    assert json.loads(server.run("configs", "get", "limits", "--format", "json").stdout)["value"] == {"rows": 10}


def test_without_a_server_the_store_of_the_project_is_used(alone):
    said = alone("secrets", "set", "API_KEY", "hunter2")
    assert said.stdout == "Secret 'API_KEY' has been set successfully.\n"
    assert "No server answers: using the store " in said.stderr
    assert alone("secrets", "list").stdout == "API_KEY\n"
    assert alone("secrets", "get", "API_KEY", "--yes").stdout == "Secret 'API_KEY': hunter2\n"
    assert alone("secrets", "remove", "API_KEY").exit_code == 0
    for verb in ("get", "remove"):
        missing = alone("secrets", verb, "API_KEY", *["--yes"][: verb == "get"])
        assert (missing.exit_code, "Secret 'API_KEY' not found." in missing.stderr) == (1, True)
    alone("configs", "set", "limits", "[1]")
    assert alone("configs", "get", "limits").stdout == "Config 'limits': [1]\n"
    assert alone("configs", "list").stdout == "limits\n"
    alone("configs", "remove", "limits")
    assert alone("configs", "get", "limits").exit_code == 1


def test_a_server_that_was_named_has_to_answer(alone, monkeypatch):
    url = "http://127.0.0.1:9"
    assert alone("secrets", "list", "--server-url", url).exit_code == 3
    monkeypatch.setenv("FLUX_WORKERS__SERVER_URL", url)
    assert alone("secrets", "list").exit_code == 3


@pytest.mark.parametrize("kind", ["secrets", "configs"])
def test_help_says_where_they_are_kept(kind):
    assert "the store of this project" in " ".join(CliRunner().invoke(app, [kind, "--help"]).stdout.split())
