"""Lets one method serve sync and async tests."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Bridge:
    """Runs coroutines for tests without a loop, all in one loop of its own."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None

    @property
    def in_loop(self) -> bool:
        """Whether the caller runs in a loop, and so can await."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        return True

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine, for a caller outside of loops."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(coroutine)

    def close(self) -> None:
        """Close the loop."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            runner.close()
