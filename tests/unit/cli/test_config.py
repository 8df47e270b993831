import json

import pytest
from typer.testing import CliRunner

from flux.cli.main import app
from flux.cli.processes import check_known_here
from flux.config import Settings, load_settings
from flux.errors import ConfigurationError


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, ["config", "show", *arguments])


def test_settings_are_shown_with_their_origin(here, monkeypatch):
    (here / "flux.toml").write_text("[flux]\nserver_port = 9000\n")
    monkeypatch.setenv("FLUX_WORKERS__BOOTSTRAP_TOKEN", "hunter2")
    rows = {line.split()[0]: line for line in run("--origin").stdout.splitlines()}
    assert rows["server_port"].split() == ["server_port", "9000", "flux.toml"]
    assert "default" in rows["server_host"]
    assert "environment FLUX_WORKERS__BOOTSTRAP_TOKEN" in rows["workers.bootstrap_token"]
    assert "hunter2" not in run().stdout + run("--origin").stdout + run("--format", "json").stdout


def test_settings_as_json():
    assert json.loads(run("--format", "json").stdout)["server_port"] == 8000
    assert {"key": "debug", "value": False, "source": "default"} in json.loads(
        run("--origin", "--format", "json").stdout
    )


def test_a_wrong_setting_is_an_error_that_names_its_source(monkeypatch):
    monkeypatch.setenv("FLUX_SERVER_PORT", "many")
    result = run()
    assert result.exit_code == 2
    assert "FLUX_SERVER_PORT" in result.stderr


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "http://localhost:8000"),
        ({"server_port": 9000}, "http://localhost:9000"),
        ({"server_host": "0.0.0.0"}, "http://localhost:8000"),
        ({"server_host": "flux.lan", "workers": {"server_url": "http://other:1"}}, "http://other:1"),
    ],
)
def test_the_server_of_a_project_is_found_through_its_settings(settings, url):
    found = Settings.model_validate(settings)
    assert (found.workers.server_url, found.mcp.server_url) == (url, url)


def test_a_worker_without_a_token_is_told_where_to_get_one(here, capsys):
    settings = load_settings({})
    with pytest.raises(ConfigurationError, match="no bootstrap token") as caught:
        check_known_here(settings, "http://flux:8000")
    assert "FLUX_WORKERS__BOOTSTRAP_TOKEN" in caught.value.hint
    settings.bootstrap_token()
    check_known_here(settings, "http://flux:8000")
    assert "Warning" in capsys.readouterr().err
    settings.signing_key()
    check_known_here(settings, "http://flux:8000")
    assert capsys.readouterr().err == ""
