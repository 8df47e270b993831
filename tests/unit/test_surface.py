"""Every import path that users may write works, in any order, and names the same things."""

from __future__ import annotations

import subprocess
import sys

import pytest

PATHS = [
    "from flux import task, workflow, ExecutionContext, WorkflowExecutionContext",
    "from flux import call, cron, interval, once",
    "from flux.task import task",
    "from flux.workflow import workflow",
    "from flux.decorators import TaskMetadata, task, workflow",
    "from flux.events import ExecutionEventType, ExecutionEvent, ExecutionState",
    "from flux.domain.events import ExecutionEventType, ExecutionEvent, ExecutionState",
    "from flux.domain import ExecutionEventType, ExecutionEvent, ExecutionState",
    "from flux.tasks import now, sleep, uuid4, choice, randint, randrange, pause, parallel, pipeline",
    "from flux.tasks import Graph, progress, call",
    "from flux.config import Configuration",
    "from flux.errors import ExecutionError, RetryError, ExecutionTimeoutError",
    "import flux.task, flux.workflow, flux.tasks",
]


@pytest.mark.parametrize("path", PATHS)
def test_each_path_alone_then_all_others(path):
    rest = "\n".join(other for other in PATHS if other != path)
    check = "import flux; assert flux.task is task and flux.workflow is workflow; assert callable(flux.task)"
    script = f"{path}\n{rest}\nfrom flux import task, workflow\n{check}"
    outcome = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr


def test_the_two_names_of_the_context_are_one_class():
    from flux import ExecutionContext, WorkflowExecutionContext

    assert ExecutionContext is WorkflowExecutionContext


def test_importing_flux_stays_light():
    heavy = ("pydantic", "httpx", "fastapi", "textual", "sqlite3", "dill", "asyncio")
    script = f"import flux, sys; print([name for name in {heavy!r} if name in sys.modules])"
    outcome = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert outcome.stdout.strip() == "[]"
