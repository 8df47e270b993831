"""Tasks keep the types of their functions, and wrong calls are seen before anything runs."""

from __future__ import annotations

from pathlib import Path

from mypy import api

EXAMPLES = Path(__file__).parents[2] / "typing" / "tasks.py"


def test_mypy_agrees():
    # `--strict` has it complain about each `type: ignore` that would not be needed.
    report, errors, _ = api.run(["--strict", str(EXAMPLES)])
    assert report.startswith("Success"), report + errors
