"""Threads for the bodies of plain `def` tasks."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import Any

MAX_THREADS = 64
"""Sync bodies that one process runs at once."""
STUCK_AFTER = 5.0
"""Seconds after which a body that nobody waits for any more counts as stuck."""

_abandoned: dict[int, float] = {}
"""Bodies that go on although their wait has ended (a timeout, a cancel), and since when (monotonic)."""


def stuck() -> int:
    """Threads that are lost to bodies which ignored the end of their wait."""
    limit = time.monotonic() - STUCK_AFTER
    return sum(since < limit for since in list(_abandoned.values()))


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="flux-task")


def submit(
    loop: asyncio.AbstractEventLoop, context: Context, work: Callable[[], Any], future: asyncio.Future[Any]
) -> None:
    """Run `work` in a thread, in `context`; its outcome resolves `future` on the loop.

    Nobody can stop a thread: when the wait for `future` has ended meanwhile, the outcome is dropped. Work that still
    waits for a free thread then is never begun.
    """
    key = id(future)

    def run() -> None:
        settle: Callable[[], None]
        try:
            settle = partial(_resolve, future, context.run(work))
        except BaseException as error:
            settle = partial(_reject, future, error)
        with suppress(RuntimeError):  # the loop has closed: nobody waits for the outcome any more
            loop.call_soon_threadsafe(settle, context=Context())

    job = _pool().submit(run)
    future.add_done_callback(lambda done: _note_abandoned(key, job) if done.cancelled() else None, context=Context())


def _note_abandoned(key: int, job: Future[None]) -> None:
    if job.cancel():
        return
    _abandoned[key] = time.monotonic()
    job.add_done_callback(lambda _: _abandoned.pop(key, None))


def _resolve(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _reject(future: asyncio.Future[Any], error: BaseException) -> None:
    if future.done():
        return
    # A future refuses StopIteration, which would end the coroutine that awaits it.
    future.set_exception(RuntimeError("the task raised StopIteration") if isinstance(error, StopIteration) else error)
