"""Which asyncio tasks belong to which execution, and how to throw them away."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Coroutine
from contextvars import Context
from typing import Any

from flux.engine.frame import CURRENT, Frame


class TrackingFactory:
    """A task factory that notes each task with the execution whose code creates it.

    It wraps the loop's former factory, so an application's own one keeps working.
    """

    def __init__(self, former: Any) -> None:
        self.former = former

    def __call__(
        self,
        loop: asyncio.AbstractEventLoop,
        coro: Coroutine[Any, Any, Any],
        context: Context | None = None,
        **options: Any,
    ) -> Any:
        """Create the task."""
        if self.former is not None:
            task = self.former(loop, coro, context=context, **options)
        else:
            task = asyncio.Task(coro, loop=loop, context=context, **options)
        frame = CURRENT.get() if context is None else context.get(CURRENT)
        if frame is not None and isinstance(task, asyncio.Task):
            tasks = frame.session.tasks
            tasks.add(task)
            task.add_done_callback(tasks.discard, context=_NEUTRAL)
        return task


_NEUTRAL = Context()


def track_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Have `loop` note the tasks of executions; once is enough, again does no harm."""
    former = loop.get_task_factory()
    if not isinstance(former, TrackingFactory):
        factory: Any = TrackingFactory(former)
        loop.set_task_factory(factory)


def close_tasks(tasks: set[asyncio.Task[Any]], root: asyncio.Task[Any] | None, frame: Frame) -> None:
    """Close the coroutines of all tasks, inner ones first.

    Closing raises `GeneratorExit` at their await: `finally` blocks run, `except CancelledError` does
    not. A cancel would be indistinguishable from one that somebody asked for.

    Args:
        frame: what code in `finally` blocks sees as its place, so that its calls find the dropped session.
    """
    context = Context()
    context.run(CURRENT.set, frame)
    inner = [task for task in tasks if task is not root]
    for task in [*inner, root]:
        if task is not None and not task.done():
            _close(task, context)
    tasks.clear()


def _close(task: asyncio.Task[Any], context: Context) -> None:
    coro: Any = task.get_coro()
    if inspect.iscoroutine(coro) and inspect.getcoroutinestate(coro) == inspect.CORO_CREATED:
        task.cancel()  # it has not begun and never will: its step is in the loop's queue already
        return
    with contextlib.suppress(BaseException):
        # A body that awaits in `finally` makes close() raise RuntimeError; it has nothing to tell.
        context.run(coro.close)
    # The task object itself stays pending for good: have asyncio forget it instead of reporting it.
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own switch for this
    task.add_done_callback(_retrieve, context=_NEUTRAL)
    asyncio._unregister_task(task)


def _retrieve(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
