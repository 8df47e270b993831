"""Records the histories that are missing: `python -m tests.replay.record`. What is recorded stays as it is."""

from __future__ import annotations

import asyncio
from pathlib import Path

from flux.testing import FluxEnv
from tests.replay.scenarios import HERE, SCENARIOS


def _anywhere(text: str) -> str:
    """The text of a history without the folders of this machine."""
    for folder in (HERE.parents[1], Path(asyncio.__file__).parents[1]):
        text = text.replace(f"{folder}/", "")
    return text


def main() -> None:
    """Write a file for each scenario that has none."""
    for name, scenario in SCENARIOS.items():
        path = HERE / f"{name}.json"
        if not path.exists():
            with FluxEnv() as env:
                run = scenario(env)
                run.save(path)
            path.write_text(_anywhere(path.read_text(encoding="utf-8")), encoding="utf-8")
            print(f"{path.name}: {run.state}, {len(run.events)} events")


if __name__ == "__main__":
    main()
