"""How each recorded history came about. Add new ones; what stands here is never changed, nor recorded again."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from flux.testing import FluxEnv, Run

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"

Scenario = Callable[[FluxEnv], Run]


def load(path: Path) -> ModuleType:
    """A module by its path, under the name that recorded values refer to."""
    if path.stem in sys.modules:
        return sys.modules[path.stem]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def example(name: str, workflow: str = "") -> Any:
    """A workflow of an example."""
    return getattr(load(EXAMPLES / f"{name}.py"), workflow or name)


def program(name: str) -> Any:
    """A workflow of `programs.py`."""
    return getattr(load(HERE / "programs.py"), name)


def _source_report(env: FluxEnv, step: Callable[[Run], Run] = lambda run: run) -> Run:
    shop = HERE / "shop"
    return step(env.run(example("source_report"), {"root": str(shop.relative_to(Path.cwd()))}))


def _cancellation(env: FluxEnv) -> Run:
    plan = {"batches": 3, "seconds": 60}
    return env.run(example("cancellation", "import_batches"), plan, cancel_at="import_batch")


def _crashed(name: str, events: int) -> Scenario:
    """A run that died behind so many events."""
    return lambda env: env.run(program(name), crash_at=events)


CLAIM = {"employee": "Ada", "amount": 840}
HIRED = {"name": "Ada", "role": "engineer"}
SCENARIOS: dict[str, Scenario] = {
    "hello_world": lambda env: env.run(example("hello_world"), "Ada"),
    "map_items": lambda env: env.run(example("map_items", "prime_factors"), [12, 97, 1001]),
    "parallel_calls": lambda env: env.run(example("parallel_calls", "cheapest_offer"), "bicycle"),
    "pipeline_steps": lambda env: env.run(example("pipeline_steps", "word_counts"), "To be, or not to be"),
    "retries": lambda env: env.run(example("retries", "place_order"), {"item": "bicycle", "weight": 12}),
    "retries-rolled-back": lambda env: env.run(example("retries", "place_order"), {"item": "anvil", "weight": 80}),
    "approval-paused": lambda env: env.run(example("approval", "expense_claim"), CLAIM),
    "approval": lambda env: env.run(example("approval", "expense_claim"), CLAIM).answer(
        {"approve": True, "limit": 500}
    ),
    "cancellation": lambda env: env.run(example("cancellation", "import_batches"), {"batches": 3, "seconds": 0}),
    "cancellation-cancelled": _cancellation,
    "signed_receipts": lambda env: env.run(example("signed_receipts", "receipt"), {"order": "A-17", "total": 118}),
    "source_report-paused": _source_report,
    "child_workflows-paused": lambda env: env.run(example("child_workflows", "hire"), HIRED),
    "child_workflows": lambda env: env.run(example("child_workflows", "hire"), HIRED).answer(True),
    "racing_for_chance": lambda env: env.run(program("racing_for_chance")),
    "racing_for_chance-crashed": _crashed("racing_for_chance", 17),
    "first_one_wins": lambda env: env.run(program("first_one_wins")),
    "own_timeouts-paused": lambda env: env.run(program("own_timeouts")),
    "own_timeouts": lambda env: env.run(program("own_timeouts")).answer(1),
    "a_group_that_fails": lambda env: env.run(program("a_group_that_fails")).answer(1),
    "several_pauses": lambda env: env.run(program("several_pauses")).answer(2, "b").answer(1, "a"),
    "several_pauses-half": lambda env: env.run(program("several_pauses")).answer(2, "b"),
    "retries_with_calls_inside": lambda env: env.run(program("retries_with_calls_inside")).answer(1),
    "handlers-paused": lambda env: env.run(program("handlers")),
    "handlers": lambda env: env.run(program("handlers")).answer(1),
    "a_pause_in_a_task": lambda env: env.run(program("a_pause_in_a_task")).answer(1),
    "equal_calls": lambda env: env.run(program("equal_calls")),
    "equal_calls-crashed": _crashed("equal_calls", 6),
    "a_graph": lambda env: env.run(program("a_graph")),
    "cleans_up-cancelled": lambda env: env.run(program("cleans_up")).cancel(),
    "runs_out_of_time": lambda env: env.run(program("runs_out_of_time")),
    "parent-paused": lambda env: env.run(program("parent")),
    "parent": lambda env: env.run(program("parent")).answer("yes"),
}


def workflow_of(name: str) -> Any:
    """The code that a history belongs to."""
    found = {one.name: one for module in _modules() for one in vars(module).values() if _is_workflow(one)}
    return found[name]


def _modules() -> list[ModuleType]:
    return [load(HERE / "programs.py"), *(load(path) for path in EXAMPLES.glob("*.py") if "test" not in path.stem)]


def _is_workflow(one: object) -> bool:
    return type(one).__name__ == "Workflow"
