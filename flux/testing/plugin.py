"""The pytest plug-in: the fixture `flux_env`, and beside a failure the events of its runs.

pytest finds it by itself where Flux is installed, so it imports next to nothing before it is used.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pluggy import Result

    from flux.testing.environment import FluxEnv


@pytest.fixture
def flux_env() -> Iterator[FluxEnv]:
    """Runs workflows for one test, on a store in memory and a clock that skips every wait."""
    from flux.testing.environment import FluxEnv

    with FluxEnv() as env:
        yield env


@pytest.hookimpl(hookwrapper=True)  # which every pytest understands
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Result[pytest.TestReport], None]:
    """Show what happened in the environments of a test that failed, whatever their fixtures are called."""
    report = (yield).get_result()
    if report.when == "call" and report.failed:
        for name, env in _environments(item).items():
            if told := env.report():
                report.sections.append((f"Runs of {name}", told))


def _environments(item: pytest.Item) -> dict[str, FluxEnv]:
    module = sys.modules.get("flux.testing.environment")
    arguments: dict[str, Any] = getattr(item, "funcargs", {})
    return {name: value for name, value in arguments.items() if module and isinstance(value, module.FluxEnv)}
