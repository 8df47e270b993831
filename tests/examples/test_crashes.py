"""The examples survive a crash behind any of their events: they go on to the same end, and replay."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from flux.testing import FluxEnv, Run

Load = Callable[[str], ModuleType]
CASES = [
    ("approval", "expense_claim", {"amount": 840}),
    ("hello_world", "hello_world", "Ada"),
    ("map_items", "prime_factors", [12, 97]),
    ("parallel_calls", "cheapest_offer", "bicycle"),
    ("pipeline_steps", "word_counts", "To be, or not to be"),
    ("signed_receipts", "receipt", {"order": "A-17", "total": 118}),
]


@pytest.mark.parametrize(("module", "name", "input"), CASES, ids=[case[0] for case in CASES])
def test_a_crash_changes_nothing(example: Load, module: str, name: str, input: Any) -> None:
    workflow = getattr(example(module), name)

    def begun(env: FluxEnv, crash_at: int | None = None) -> Run:
        env.secrets["SIGNING_KEY"] = "correct-horse-battery"
        env.answer("approval", {"approve": True})
        return env.run(workflow, input, crash_at=crash_at)

    with FluxEnv() as env:
        whole = begun(env).replay()
    for number in range(1, len(whole.events) + 1):
        with FluxEnv() as env:
            run = begun(env, crash_at=number).proceed()
            assert run.result() == whole.result(), f"after a crash behind event {number}"
            assert sorted(run.events.completed) == sorted(whole.events.completed)
            run.replay()
