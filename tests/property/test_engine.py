"""A short run of the state machine; `tests/long` has the long one."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_engine_keeps_its_promises():
    run = subprocess.run([sys.executable, "-m", "tests.property"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
