"""Checking values in runners, none of which may keep the others waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from flux.worker.frames import Validate
from flux.worker.pool import Pool
from flux.worker.process import RunnerProcess

Errors = list[dict[str, object]]

PATIENCE = 0.25
"""Seconds for a runner's answer; after that another one is asked as well. Its code may be blocking it."""


class Checks:
    """Validations in progress. A runner that does not answer may do so later: nobody waits for it any more."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._asked: set[asyncio.Task[Errors | None]] = set()

    async def check(self, digest: str, question: Validate) -> Errors | None:
        """The field errors of a value, from the runner that answers first; None when all have ended before.

        Raises what `Pool.runner_for` raises.
        """
        runner = await self._pool.runner_for(digest)
        first = self._begin(runner.validate(question))
        # Only what runs in it can block it; one that is idle may well need longer for its first answer.
        await asyncio.wait((first,), timeout=PATIENCE if runner.executions else None)
        if first.done() and first.result() is not None:
            return first.result()
        second = self._begin(self._elsewhere(digest, runner, question))
        waiting = {first, second}
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                if one.exception() is None and (errors := one.result()) is not None:
                    return errors
        return second.result()

    async def _elsewhere(self, digest: str, runner: RunnerProcess, question: Validate) -> Errors | None:
        other = await self._pool.another_for(digest, runner)
        return await other.validate(question)

    def _begin(self, asking: Coroutine[Any, Any, Errors | None]) -> asyncio.Task[Errors | None]:
        task = asyncio.get_running_loop().create_task(asking)
        self._asked.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Errors | None]) -> None:
        self._asked.discard(task)
        if not task.cancelled():
            task.exception()  # whoever still waits gets it from the task

    async def end(self) -> None:
        """Wait for no answer any more."""
        asked = list(self._asked)
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
