"""Threads for the bodies of plain `def` tasks."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import Any

MAX_THREADS = 64
"""Sync bodies that one process runs at once."""


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="flux-task")


def submit(
    loop: asyncio.AbstractEventLoop, context: Context, work: Callable[[], Any], future: asyncio.Future[Any]
) -> None:
    """Run `work` in a thread, in `context`; its outcome resolves `future` on the loop.

    Nobody can stop a thread: when the future has been cancelled meanwhile the outcome is dropped.
    """

    def run() -> None:
        settle: Callable[[], None]
        try:
            settle = partial(_resolve, future, context.run(work))
        except BaseException as error:
            settle = partial(_reject, future, error)
        with suppress(RuntimeError):  # the loop has closed: nobody waits for the outcome any more
            loop.call_soon_threadsafe(settle, context=Context())

    _pool().submit(run)


def _resolve(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _reject(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(RuntimeError("StopIteration raised by a task") if isinstance(error, StopIteration) else error)
