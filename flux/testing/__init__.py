"""Tests of workflows: a store in memory, a clock that skips every wait, fakes for tasks.

Example:
    >>> from datetime import timedelta
    >>> from flux import task, workflow
    >>> from flux.tasks import sleep
    >>> from flux.testing import FluxEnv
    >>> @task
    ... async def charge(amount: float) -> str: ...
    >>> @workflow
    ... async def trial(ctx):
    ...     await sleep(timedelta(days=30))
    ...     return await charge(9.5)
    >>> with FluxEnv() as env:
    ...     charged = env.fake(charge, "receipt 7")
    ...     run = env.run(trial)
    >>> run.output, charged.calls, run.elapsed
    ('receipt 7', [{'amount': 9.5}], datetime.timedelta(days=30))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flux.testing.answers import UNANSWERED
    from flux.testing.clock import FakeClock
    from flux.testing.environment import FluxEnv
    from flux.testing.events import Events
    from flux.testing.fakes import HANG, Fake
    from flux.testing.run import Run

__all__ = ["HANG", "UNANSWERED", "Events", "Fake", "FakeClock", "FluxEnv", "Run"]

_HOMES = {
    "UNANSWERED": "answers",
    "FakeClock": "clock",
    "FluxEnv": "environment",
    "Events": "events",
    "HANG": "fakes",
    "Fake": "fakes",
    "Run": "run",
}


def __getattr__(name: str) -> Any:
    """Names are fetched when they are first used: pytest imports this package in every run, for its plug-in."""
    if name in _HOMES:
        return getattr(import_module(f"flux.testing.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'flux.testing' has no attribute {name!r}")
