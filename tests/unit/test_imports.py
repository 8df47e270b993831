"""What the two imports that everyone waits for do not bring along; figures are the benchmarks' business."""

import subprocess
import sys

import pytest

HEAVY = {"pydantic", "httpx", "msgspec", "fastapi", "sqlite3", "textual", "dill", "flux.config", "flux.wire"}


def loaded_by(*arguments):
    """Names of the modules that a fresh process has loaded at its end."""
    code = "import atexit, sys; atexit.register(lambda: print('LOADED', *sys.modules)); {}"
    result = subprocess.run(
        [sys.executable, "-c", code.format(arguments[0]), *arguments[1:]], capture_output=True, text=True, check=True
    )
    return set(result.stdout.rpartition("LOADED")[2].split())


@pytest.mark.parametrize(
    "code", ["import flux", "from flux.tasks import pause, parallel; from flux.decorators import task"]
)
def test_defining_workflows_needs_no_event_loop(code):
    assert loaded_by(code) & (HEAVY | {"asyncio", "ssl", "logging", "subprocess"}) == set()


def test_help_loads_no_command():
    loaded = loaded_by("from flux.cli.main import main; main()", "--help")
    assert loaded & (HEAVY | {"asyncio", "rich.console"}) == set()
    assert {name for name in loaded if name.startswith("flux.cli.")} <= {
        f"flux.cli.{name}" for name in ("main", "errors", "options", "render")
    }


def test_graphs_are_found_where_they_are_expected():
    assert "asyncio" in loaded_by("from flux.tasks import Graph; assert Graph.__module__ == 'flux.tasks.graph'")
