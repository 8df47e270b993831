"""Every import path that users may write works, in any order, and names the same things."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

PATHS = [
    "from flux import task, workflow, ExecutionContext, WorkflowExecutionContext",
    "from flux import call, cron, interval, once",
    "from flux.task import task, TaskMetadata",
    "from flux.workflow import workflow",
    "from flux.decorators import TaskMetadata, task, workflow",
    "from flux.events import ExecutionEventType, ExecutionEvent, ExecutionState",
    "from flux.domain.events import ExecutionEventType, ExecutionEvent, ExecutionState",
    "from flux.domain import ExecutionEventType, ExecutionEvent, ExecutionState, ExecutionContext, cron",
    "from flux.domain.execution_context import ExecutionContext, CURRENT_CONTEXT",
    "from flux.domain.resource_request import ResourceRequest",
    "from flux.domain.schedule import cron, interval, once, schedule_factory, ScheduleType",
    "from flux.tasks import now, sleep, uuid4, choice, randint, randrange, pause, parallel, pipeline",
    "from flux.tasks import Graph, progress, call",
    "from flux.config import Configuration, FluxConfig",
    "from flux.errors import ExecutionError, RetryError, ExecutionTimeoutError",
    "from flux.output_storage import OutputStorage, OutputStorageReference, LocalFileStorage",
    "from flux.secret_managers import SecretManager",
    "from flux.config_manager import ConfigManager",
    "from flux.context_managers import ContextManager",
    "from flux.catalogs import WorkflowCatalog",
    "from flux.client import FluxClient",
    "import flux.task, flux.workflow, flux.tasks, flux.events, flux.domain.schedule",
]

NAMES = {
    "flux": """call pause task workflow TaskMetadata ExecutionEvent ExecutionState ExecutionEventType ExecutionContext
        WorkflowExecutionContext cron interval once Schedule ScheduleType ScheduleStatus logger now uuid4 choice randint
        randrange parallel sleep pipeline Graph progress OutputStorage OutputStorageReference InlineOutputStorage
        LocalFileStorage SecretManager WorkflowCatalog ContextManager ResourceRequest""",
    "flux.tasks": "now uuid4 choice randint randrange parallel sleep pipeline pause call Graph progress",
    "flux.events": "ExecutionState ExecutionEventType ExecutionEvent",
    "flux.domain": """ExecutionState ExecutionEventType ExecutionEvent PausedEventValue as_utc ExecutionContext
        CURRENT_CONTEXT ResourceRequest Schedule CronSchedule IntervalSchedule OnceSchedule ScheduleType ScheduleStatus
        cron interval once schedule_factory OVERLAP_POLICIES""",
    "flux.domain.events": "ExecutionState ExecutionEventType ExecutionEvent PausedEventValue as_utc",
    "flux.domain.execution_context": "ExecutionContext CURRENT_CONTEXT",
    "flux.domain.resource_request": "ResourceRequest",
    "flux.domain.schedule": """Schedule CronSchedule IntervalSchedule OnceSchedule ScheduleType ScheduleStatus cron
        interval once schedule_factory OVERLAP_POLICIES""",
    "flux.errors": """ExecutionError RetryError ExecutionTimeoutError PauseRequested WorkflowCatalogError
        TaskNotFoundError WorkflowNotFoundError WorkflowAlreadyExistError ExecutionContextNotFoundError
        WorkerNotFoundError BudgetExceededError TransientDurabilityError RunnerNotAvailableError WorkerProcessCrashed
        ExecutionTimedOut StaleClaimError ModelProviderError HookNotFoundError HookNameConflictError
        DatabaseConnectionError PostgreSQLConnectionError""",
    "flux.config": "Configuration FluxConfig",
    "flux.output_storage": "OutputStorage OutputStorageReference InlineOutputStorage LocalFileStorage",
    "flux.secret_managers": "SecretManager",
    "flux.config_manager": "ConfigManager",
    "flux.context_managers": "ContextManager",
    "flux.catalogs": "WorkflowCatalog",
    "flux.client": "FluxClient",
    "flux.task": "task TaskMetadata",
    "flux.workflow": "workflow",
    "flux.decorators": "task workflow TaskMetadata",
}
"""What the documented system offers, and this one too."""


@pytest.mark.parametrize("path", PATHS)
def test_each_path_alone_then_all_others(path):
    rest = "\n".join(other for other in PATHS if other != path)
    check = "import flux; assert flux.task is task and flux.workflow is workflow; assert callable(flux.task)"
    script = f"{path}\n{rest}\nfrom flux import task, workflow\n{check}"
    outcome = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize("module", NAMES)
def test_every_name_is_there_and_everywhere_the_same(module):
    names = NAMES[module].split()
    found = importlib.import_module(module)
    exported = getattr(found, "__all__", None)
    for name in names:
        value = getattr(found, name)
        assert exported is None or name in exported, name
        for other, others in NAMES.items():
            if name in others.split():
                assert getattr(importlib.import_module(other), name) is value, (module, other, name)


@pytest.mark.parametrize("module", NAMES)
def test_what_is_not_there_says_so(module):
    with pytest.raises(AttributeError, match="no_such_name"):
        importlib.import_module(module).no_such_name  # noqa: B018  # looking is the test


def test_everything_at_once():
    script = (
        "from flux import *; from flux.domain import *; from flux.tasks import *; print(cron, Graph, ContextManager)"
    )
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
