"""`SecretManager` and `ConfigManager`, and local runs that are given what they keep."""

from __future__ import annotations

import json

import pytest

from flux import task, workflow
from flux.codec import HIDDEN, Redactor
from flux.config_manager import ConfigManager
from flux.errors import CodecError, ConfigNotFoundError, SecretNotFoundError, UsageError
from flux.secret_managers import SecretManager
from flux.tasks import pause

SECRET = "hunter2-local"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FLUX_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def secrets():
    return SecretManager.current()


@pytest.fixture
def configs():
    return ConfigManager.current()


def test_they_are_kept_between_processes(secrets, configs, home):
    secrets.save("A", SECRET)
    configs.save("c", {"rows": [1, (2, 3)]})
    assert (SecretManager.current().all(), ConfigManager.current().all()) == (["A"], ["c"])
    assert (home / "secrets-key").stat().st_mode & 0o077 == 0
    secrets.remove("A")
    configs.remove("c")
    with pytest.raises(SecretNotFoundError):
        secrets.remove("A")
    with pytest.raises(ConfigNotFoundError):
        configs.remove("c")


async def test_inside_a_running_loop(secrets, configs):
    secrets.save("A", SECRET)
    configs.save("c", {"rows": [1, (2, 3)]})
    assert await secrets.get(["A"]) == {"A": SECRET}
    assert await configs.get(["c"]) == {"c": {"rows": [1, [2, 3]]}}
    with pytest.raises(ValueError, match="The following secrets were not found: \\['B'\\]"):
        await secrets.get(["A", "B"])
    with pytest.raises(ValueError, match="The following configs were not found: \\['d'\\]"):
        await configs.get(["d"])
    with pytest.raises(SecretNotFoundError):
        secrets.remove("B")


def test_what_cannot_be_kept_is_refused(secrets, configs):
    with pytest.raises(UsageError, match="no text"):
        secrets.save("A", {"not": "text"})
    with pytest.raises(CodecError, match="JSON"):
        configs.save("c", object())


@task.with_options(secret_requests=["A"], config_requests=["c"])
async def reveal(secrets, config):
    return [secrets["A"], config["c"]]


@task
async def by_hand():
    found = await SecretManager.current().get(["A"])
    return found["A"], await ConfigManager.current().get(["c"])


@workflow
async def revealing(ctx):
    return [await reveal(), await by_hand(), ctx.input]


@workflow
async def changing(ctx):
    SecretManager.current().save("B", "from inside")


@workflow
async def asking(ctx):
    return await pause("key")


def test_a_local_run_is_given_them_and_keeps_nothing_of_a_secret(secrets, configs, home):
    secrets.save("A", SECRET)
    configs.save("c", 5)
    ctx = revealing.run({"user": SECRET})
    assert ctx.output == [[SECRET, 5], (SECRET, {"c": 5}), {"user": SECRET}]
    summary = ctx.summary()
    assert (summary["input"], summary["output"]) == (HIDDEN, HIDDEN)
    written = b"".join(path.read_bytes() for path in home.iterdir() if path.is_file()) + ctx.to_json().encode()
    assert Redactor([SECRET]).found(written) == []


def test_an_answer_with_a_secret_that_this_process_was_never_given_is_sealed(secrets, home):
    secrets.save("OTHER", "never-asked-for")
    paused = asking.run()
    ctx = asking.resume(paused.execution_id, {"key": "never-asked-for"})
    assert ctx.output == {"key": "never-asked-for"}
    assert json.loads(ctx.to_json())["output"] == HIDDEN
    assert not any(b"never-asked" in path.read_bytes() for path in home.iterdir() if path.is_file())


def test_secrets_are_not_changed_inside_of_workflows():
    error = changing.run().output
    assert "from outside" in str(error)


def test_what_is_missing_is_named(secrets):
    assert "The following secrets were not found: ['A']" in str(revealing.run().output)
