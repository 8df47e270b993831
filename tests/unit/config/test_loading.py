import logging

import pytest

from flux.config import load_settings, origins
from flux.errors import ConfigurationError

FLUX_TOML = """
[flux]
server_port = 4
serializer = "json"
[flux.workers]
server_url = "http://toml"
[mcp]
port = 81
[flux.dev.keys]
"execution.cancel" = "ctrl+x"
"""
PYPROJECT = """
[tool.flux]
server_port = 5
serializer = "pkl"
debug = true
[tool.flux.workers]
retry_attempts = 7
"""


@pytest.fixture
def files(folder):
    (folder / "flux.toml").write_text(FLUX_TOML)
    (folder / "pyproject.toml").write_text(PYPROJECT)


def test_sources_in_order_of_strength(files, monkeypatch):
    assert load_settings().server_port == 4
    monkeypatch.setenv("FLUX_SERVER_PORT", "3")
    assert load_settings().server_port == 3
    assert load_settings({"server_port": 2}).server_port == 2


def test_groups_merge_key_by_key(files):
    settings = load_settings({"workers": {"retry_delay": 2}})
    assert settings.serializer == "json"
    assert settings.debug is True
    assert settings.workers.server_url == "http://toml"
    assert settings.workers.retry_attempts == 7
    assert settings.workers.retry_delay == 2
    assert settings.workers.model_fields_set == {"server_url", "retry_attempts", "retry_delay"}
    assert settings.mcp.port == 81
    assert settings.dev.keys == {"execution.cancel": "ctrl+x"}


def test_files_of_the_working_folder_count(files, folder, monkeypatch):
    (folder / "inner").mkdir()
    monkeypatch.chdir(folder / "inner")
    assert load_settings().server_port == 8000


@pytest.mark.parametrize(
    "overrides",
    [{"workers": {"retry_delay": 2}}, {"workers.retry_delay": 2}, {"workers__retry_delay": 2}],
    ids=["nested", "dotted", "underscores"],
)
def test_overrides_have_three_spellings(overrides):
    assert load_settings(overrides).workers.retry_delay == 2


def test_flags_that_are_not_given_change_nothing(files):
    assert load_settings({"server_port": None, "workers": {"server_url": None}}).server_port == 4


def test_the_environment_nests_and_ignores_case(monkeypatch):
    monkeypatch.setenv("FLUX_WORKERS__RETRY_DELAY", "0.5")
    monkeypatch.setenv("FLUX_SECURITY__AUTH__OIDC__ISSUER", "https://id")
    monkeypatch.setenv("FLUX_LOG_LEVEL", "debug")
    monkeypatch.setenv("FLUX_DEBUG", "1")
    settings = load_settings()
    assert settings.workers.retry_delay == 0.5
    assert settings.security.auth.oidc.issuer == "https://id"
    assert settings.log_level == "DEBUG"
    assert settings.debug is True


def test_lists_and_tables_in_the_environment(monkeypatch):
    monkeypatch.setenv("FLUX_DEV__PATHS", "a, b")
    monkeypatch.setenv("FLUX_DEV__IGNORE", '["c"]')
    monkeypatch.setenv("FLUX_DEV__KEYS", '{"execution.cancel": "x"}')
    dev = load_settings().dev
    assert (dev.paths, dev.ignore, dev.keys) == (["a", "b"], ["c"], {"execution.cancel": "x"})


def test_empty_variables_count_as_not_set(monkeypatch):
    monkeypatch.setenv("FLUX_SERVER_PORT", "")
    assert load_settings().server_port == 8000


def test_other_spellings(monkeypatch):
    monkeypatch.setenv("FLUX_SECURITY__ENCRYPTION__ENCRYPTION_KEY", "key")
    monkeypatch.setenv("FLUX_SERVER_URL", "http://other")
    settings = load_settings()
    assert settings.security.encryption_key == "key"
    assert settings.workers.server_url == "http://other"


def test_unknown_keys_are_named_once_with_the_nearest_known_one(folder, monkeypatch, caplog):
    (folder / "flux.toml").write_text("[flux]\nserver_prot = 1\n[flux.worker]\nretry_delay = 1\n[workers]\nx = 1\n")
    monkeypatch.setenv("FLUX_RETRY_ATTEMPTS", "1")
    monkeypatch.setenv("FLUX_XYZZY_PLUGH", "1")
    with caplog.at_level(logging.WARNING, "flux.config"):
        load_settings({"scheduling": {"poll_intervall": 3}})
        load_settings({"scheduling": {"poll_intervall": 3}})
    assert caplog.messages == [
        "unknown setting scheduling.poll_intervall (flag): did you mean scheduling.poll_interval?",
        "unknown setting retry_attempts (environment FLUX_RETRY_ATTEMPTS): did you mean workers.retry_attempts?",
        "unknown setting xyzzy_plugh (environment FLUX_XYZZY_PLUGH)",
        "unknown setting server_prot (flux.toml): did you mean server_port?",
        "unknown setting worker.retry_delay (flux.toml): did you mean workers.retry_delay?",
        "unknown setting [workers] (flux.toml): did you mean [flux.workers]?",
    ]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"server_port": "x"}, "server_port is 'x' (flag); allowed: a whole number."),
        ({"server_port": 65536}, "server_port is 65536 (flag); allowed: less than or equal to 65535."),
        ({"serializer": "yaml"}, "serializer is 'yaml' (flag); allowed: 'pkl' or 'json'."),
        ({"workers.retry_delay": "soon"}, "workers.retry_delay is 'soon' (flag); allowed: a number."),
        ({"debug": "maybe"}, "debug is 'maybe' (flag); allowed: true or false."),
        ({"dev.paths": [3]}, "dev.paths is [3] (flag); allowed: text in quotes."),
        ({"dev.paths": "x"}, "dev.paths is 'x' (flag); allowed: a list."),
        ({"dev.keys": 1}, "dev.keys is 1 (flag); allowed: a table."),
        ({"security.encryption_key": 5}, "security.encryption_key is a secret (flag); allowed: text in quotes."),
        ({"workers": 3}, "workers (flag) is a group of settings, not a single value."),
    ],
)
def test_wrong_values_say_what_is_allowed(overrides, message):
    with pytest.raises(ConfigurationError) as caught:
        load_settings(overrides)
    assert str(caught.value) == message


def test_wrong_values_name_their_source(folder, monkeypatch):
    (folder / "flux.toml").write_text("[flux.mcp]\ntransport = 'pigeon'\n")
    with pytest.raises(ConfigurationError, match=r"mcp\.transport is 'pigeon' \(flux\.toml\); allowed: 'streamable"):
        load_settings()
    (folder / "flux.toml").unlink()
    (folder / "pyproject.toml").write_text("[tool.flux]\ndebug = 3\n")
    with pytest.raises(ConfigurationError, match=r"debug is 3 \(pyproject\.toml \[tool\.flux\]\)"):
        load_settings()
    monkeypatch.setenv("FLUX_DEBUG", "x")
    with pytest.raises(ConfigurationError, match=r"debug is 'x' \(environment FLUX_DEBUG\)"):
        load_settings()


def test_all_wrong_values_are_named_at_once():
    with pytest.raises(ConfigurationError, match=r"server_port is -1 .* serializer is 3 "):
        load_settings({"server_port": -1, "serializer": 3})


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("flux.toml", "[flux", r"flux\.toml is not valid TOML"),
        ("pyproject.toml", "x", r"pyproject\.toml is not valid TOML"),
        ("flux.toml", "flux = 3", "has to be a table"),
        ("pyproject.toml", "[tool]\nflux = 3", "has to be a table"),
    ],
)
def test_broken_files_are_named(folder, name, text, message):
    (folder / name).write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        load_settings()


def test_a_file_that_cannot_be_read_is_named(folder):
    (folder / "flux.toml").mkdir()
    with pytest.raises(ConfigurationError, match=r"flux\.toml cannot be read"):
        load_settings()


def test_origins_name_the_source_of_every_value(files, monkeypatch):
    monkeypatch.setenv("FLUX_WORKERS__BOOTSTRAP_TOKEN", "s3cret")
    found = {origin.key: (origin.value, origin.source) for origin in origins({"log_level": "ERROR"})}
    assert found["log_level"] == ("ERROR", "flag")
    assert found["workers.bootstrap_token"] == ("•••", "environment FLUX_WORKERS__BOOTSTRAP_TOKEN")
    assert found["server_port"] == (4, "flux.toml")
    assert found["debug"] == (True, "pyproject.toml [tool.flux]")
    assert found["server_host"] == ("localhost", "default")
    assert found["security.encryption_key"] == ("", "default")
