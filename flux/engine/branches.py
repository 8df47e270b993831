"""Concurrent branches: what `parallel`, `map` and graphs share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import nullcontext, suppress
from contextvars import copy_context
from functools import partial
from typing import Any

from flux.engine.endings import no_exit
from flux.engine.frame import CURRENT, Frame, current_frame
from flux.errors import UsageError

GRACE = 2.0
"""Seconds that siblings of a failed branch get to finish before they are cancelled."""

Branch = Callable[[], Awaitable[Any]]


async def run_branches(
    label: str, branches: Sequence[Branch], *, max_concurrent: int | None = None, raise_on_error: bool = True
) -> list[Any]:
    """Run branches concurrently, each under a path of its own; results in the order of the branches.

    When one fails its siblings get `GRACE` seconds to finish; then they are cancelled and the first
    failure is raised. With `raise_on_error=False` all run to their end and failed slots hold None.

    Args:
        label: what the paths of the branches start with.
        max_concurrent: branches that run at once; None for all. The others begin as places become free.

    Raises `UsageError` when `max_concurrent` is below 1.
    """
    frame = current_frame()
    lanes = _Lanes(max_concurrent, raise_on_error)
    group = frame.session.calls.group(frame.path, label)
    tasks = [spawn(frame.branch(group, index), partial(lanes.run, branch)) for index, branch in enumerate(branches)]
    return await _gather(tasks, raise_on_error)


def spawn(frame: Frame, branch: Branch) -> asyncio.Task[Any]:
    """Run a branch as a task of its own whose calls are made in `frame`."""
    context = copy_context()
    context.run(CURRENT.set, frame)
    return asyncio.get_running_loop().create_task(_awaited(branch), context=context)


async def _awaited(branch: Branch) -> Any:
    with no_exit("a branch"):
        return await branch()


class _Lanes:
    """Where branches run, so many at once; behind a failure that is going to be raised none begins."""

    def __init__(self, count: int | None, raise_on_error: bool) -> None:
        if count is not None and count < 1:
            raise UsageError(f"max_concurrent={count} would let nothing run.", hint="Leave it out for no limit.")
        self._free = asyncio.Semaphore(count) if count else nullcontext()
        self._stops = raise_on_error
        self._stopped = False

    async def run(self, branch: Branch) -> Any:
        async with self._free:
            if self._stopped:
                raise asyncio.CancelledError
            try:
                return await branch()
            except Exception:
                self._stopped = self._stops
                raise


async def _gather(tasks: list[asyncio.Task[Any]], raise_on_error: bool) -> list[Any]:
    if not tasks:
        return []
    failed: list[asyncio.Task[Any]] = []
    for task in tasks:
        task.add_done_callback(lambda done: failed.append(done) if _has_failed(done) else None)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION if raise_on_error else asyncio.ALL_COMPLETED)
        if failed and raise_on_error:
            await settle(tasks)
            raise failed[0].exception() or asyncio.CancelledError
    except asyncio.CancelledError:
        await cancel(tasks)
        raise
    return [None if _has_failed(task) else task.result() for task in tasks]


def _has_failed(task: asyncio.Task[Any]) -> bool:
    return not task.cancelled() and task.exception() is not None


async def settle(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Give the siblings of a failed branch `GRACE` seconds, then cancel them."""
    session = current_frame().session
    with suppress(TimeoutError), session.staying():
        async with session.clock.timeout(GRACE):
            if tasks:
                await asyncio.wait(list(tasks))
    await cancel(tasks)


async def cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel what runs, and wait until it has ended."""
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
