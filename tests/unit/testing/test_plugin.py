"""The plug-in as pytest runs it, in a process of its own; and a package that does not need it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# By its module, so that it is there once, wherever and however Flux is installed.
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:flux", "-p", "flux.testing.plugin", "-p", "no:cacheprovider"]

SETTINGS = """
[pytest]
filterwarnings = error
asyncio_default_fixture_loop_scope = function
"""
TESTS = """
from datetime import timedelta

import pytest

from flux import task, workflow
from flux.tasks import sleep
from flux.testing import FluxEnv


@task
async def charge(amount): ...


@workflow
async def trial(ctx):
    await sleep(timedelta(days=30))
    return await charge(9.5)


def test_sync(flux_env):
    flux_env.fake(charge, "receipt")
    assert flux_env.run(trial).result() == "receipt"


@pytest.mark.asyncio
async def test_async(flux_env):
    flux_env.fake(charge, "receipt")
    assert (await flux_env.run(trial)).result() == "receipt"


def test_each_has_its_own(flux_env):
    assert flux_env.runs == []
"""
FAILING = """

def test_failing(flux_env):
    flux_env.fake(charge, ValueError("no card"))
    assert flux_env.run(trial).output == "receipt"


@pytest.fixture
def shop():
    with FluxEnv() as env:
        yield env


def test_failing_with_another_fixture(shop):
    assert shop.run(trial).output == "receipt"
"""


def run_pytest(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text(
        "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
    )
    (folder / "test_trial.py").write_text(text)
    return subprocess.run([*PYTEST, "test_trial.py"], cwd=folder, capture_output=True, text=True, timeout=60)


def test_the_fixture_serves_sync_and_async_tests(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, TESTS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == [
        "pytest.ini",
        "test_trial.py",
    ]


def test_a_failure_shows_what_happened(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, TESTS + FAILING)
    assert "2 failed, 3 passed" in done.stdout
    assert "Runs of flux_env" in done.stdout
    assert "<run of trial: FAILED after 7 events, ValueError: no card>" in done.stdout
    assert "TASK_FAILED" in done.stdout
    assert "Runs of shop" in done.stdout


def test_pytest_finds_it_by_itself() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"flux": "flux.testing.plugin"}


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("from flux.testing import *", {"pytest", "pydantic", "httpx", "fastapi"}),
        ("import flux.testing.plugin", {"sqlite3", "flux.store", "flux.local"}),
    ],
    ids=["without pytest", "the plug-in alone"],
)
def test_what_an_import_does_not_bring_along(code: str, absent: set[str]) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert absent & set(shown.stdout.split()) == set()
