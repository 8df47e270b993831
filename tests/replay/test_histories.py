"""Histories of earlier days, replayed against the code of today: each must fit, for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from flux.codec import Codec
from flux.domain import ExecutionState
from flux.domain.saved import SavedHistory
from flux.domain.verdict import Outcome
from flux.engine.dryrun import dry_run

from .scenarios import EXAMPLES, HERE, SCENARIOS, workflow_of

HISTORIES = sorted(HERE.glob("*.json"))


def read(path: Path) -> SavedHistory:
    return SavedHistory.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_history_fits(path: Path) -> None:
    saved = read(path)
    workflow = workflow_of(saved.execution.ref.name)
    verdict = await dry_run(workflow, saved.execution, saved.events, codec=Codec())
    assert verdict.is_consistent, verdict
    if saved.execution.state.is_terminal:
        assert verdict.outcome is Outcome.ENDS
        assert "another" not in verdict.detail
    elif saved.execution.state is ExecutionState.PAUSED:
        assert verdict.outcome is Outcome.WAITS


def test_every_scenario_is_recorded() -> None:
    assert {path.stem for path in HISTORIES} >= set(SCENARIOS), "python -m tests.replay.record"


def test_every_example_has_a_history() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py") if not path.stem.startswith("test_")}
    assert names <= {path.stem.partition("-")[0] for path in HISTORIES}
