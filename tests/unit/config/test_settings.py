import re
from pathlib import Path

import pytest
from pydantic import ValidationError

import flux
from flux.config.settings import Settings, known_keys, sections


def _value(settings, key):
    for name in key.split("."):
        settings = getattr(settings, name)
    return settings


@pytest.mark.parametrize(
    ("key", "default"),
    [
        ("debug", False),
        ("log_level", "INFO"),
        ("server_host", "localhost"),
        ("server_port", 8000),
        ("database_synchronous", "full"),
        ("serializer", "pkl"),
        ("workers.server_url", "http://localhost:8000"),
        ("workers.default_timeout", 0),
        ("workers.retry_attempts", 3),
        ("workers.retry_delay", 1),
        ("workers.retry_backoff", 2),
        ("workers.max_concurrent_executions", 100),
        ("security.auth.enabled", False),
        ("security.auth.oidc.enabled", False),
        ("security.auth.api_keys.enabled", False),
        ("mcp.name", "flux-workflows"),
        ("mcp.host", "localhost"),
        ("mcp.port", 8080),
        ("mcp.transport", "streamable-http"),
        ("scheduling.auto_schedule_enabled", True),
        ("scheduling.auto_schedule_suffix", "_auto"),
        ("scheduling.poll_interval", 30.0),
        ("scheduling.max_concurrent_executions", 10),
        ("scheduling.execution_timeout", 3600.0),
        ("scheduling.schedule_check_tolerance", 1.0),
        ("scheduling.once_schedule_tolerance", 60.0),
    ],
)
def test_defaults(key, default):
    assert _value(Settings(), key) == default


def test_places_are_absolute(folder, monkeypatch):
    settings = Settings()
    assert settings.home == str(folder / ".flux")
    assert settings.database_url == f"sqlite:///{folder}/.flux/flux.db"
    assert Settings(home="elsewhere").database_url == f"sqlite:///{folder}/elsewhere/flux.db"
    monkeypatch.setenv("HOME", "/home/someone")
    assert Settings(home="~/flux").home == "/home/someone/flux"


def test_a_given_database_is_left_alone():
    assert Settings(database_url="sqlite:///x.db").database_url == "sqlite:///x.db"


def test_there_is_a_runner_process_per_core():
    assert Settings().workers.runner_processes >= 1


def test_settings_do_not_change():
    with pytest.raises(ValidationError):
        Settings().debug = True


def test_secrets_do_not_show_in_the_representation():
    settings = Settings(workers={"bootstrap_token": "t0ken"}, security={"encryption_key": "k3y"})
    assert "t0ken" not in repr(settings)
    assert "k3y" not in repr(settings)


def test_the_signing_key_comes_from_the_encryption_key_or_the_home(folder):
    kept = Settings().signing_key()
    assert kept == Settings().signing_key()
    given = Settings(security={"encryption_key": "any text"}).signing_key()
    assert given != kept
    assert given == Settings(security={"encryption_key": "any text"}, home="other").signing_key()
    assert not (folder / "other").exists()


def test_the_bootstrap_token_is_the_configured_or_the_kept_one():
    assert Settings(workers={"bootstrap_token": "given"}).bootstrap_token() == "given"
    assert Settings().bootstrap_token() == Settings().bootstrap_token() != ""


def test_groups_are_known():
    assert {"workers", "security", "security.auth", "security.auth.oidc", "mcp"} <= sections()
    assert "" not in sections()


def test_every_documented_key_exists():
    page = (Path(flux.__file__).parents[1] / "docs" / "configuration.md").read_text()
    rows = re.findall(r"^\| (`[^|]*) \|", page, re.MULTILINE)
    documented = {key for row in rows for key in re.findall(r"`([a-z_.]+)`", row)}
    assert documented
    assert documented <= set(known_keys())
