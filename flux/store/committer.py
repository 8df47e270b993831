"""Group commit: everything that is queued shares one transaction.

There is no timer. The first write of an idle store is committed in the loop's next step; what is queued
until then goes along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

from flux.errors import FluxError, StoreError
from flux.store.driver import Driver, Transaction
from flux.store.errors import StatementError

T = TypeVar("T")
Operation = Callable[[Transaction], Awaitable[T]]
_Queued = tuple[Operation[Any], "asyncio.Future[Any]"]


class _Spoilt(Exception):
    """An operation failed in a way that may have left half of its writes behind."""


class Committer:
    """Runs write operations in the order in which they were submitted, and answers after the commit.

    An operation may run twice: its transaction was rolled back because of another one, or because of what it
    remembered of the database. So it must not change anything but the database and what `on_undo` forgets. One that
    raises a `FluxError` before it has written anything fails at once, and alone.

    Args:
        driver: the database.
        on_undo: called whenever an operation has failed or was rolled back.
    """

    def __init__(self, driver: Driver, on_undo: Callable[[], None] = lambda: None) -> None:
        self._driver = driver
        self._on_undo = on_undo
        self._queue: list[_Queued] = []
        self._busy = False
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._neutral = Context()
        self.flushes = 0

    def submit(self, operation: Operation[T], *, alone: bool = False) -> asyncio.Future[T]:
        """Queue an operation; the future has its result once it is durable.

        Args:
            alone: commit it here and now when nothing else is about to run that could queue more.

        It fails with what the operation raises, or with `StoreError` when its transaction could not be committed.
        A waiter that is cancelled meanwhile does not take the operation back.
        """
        if self._closed:
            raise StoreError("The store is closed.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.append((operation, future))
        if not self._busy:
            self._busy = True
            if alone and self._driver.inline and _comes_to_rest(loop):
                self._flush()
            else:
                loop.call_soon(self._flush, context=self._neutral)
        return future

    async def close(self) -> None:
        """Commit what is queued and refuse further operations."""
        self._closed = True
        if self._task is not None:
            await self._task
        await self._drain()

    def _flush(self) -> None:
        if self._driver.inline:
            run_inline(self._drain())
        else:
            self._task = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        try:
            while self._queue:
                batch, self._queue = self._queue, []
                await self._commit(batch)
        finally:
            self._busy = False

    async def _commit(self, batch: list[_Queued], *, again: bool = True) -> None:
        """One transaction for all; when one of them spoils it, one for each, which remembers nothing."""
        self.flushes += 1
        try:
            outcomes = await self._run(batch)
        except (_Spoilt, StatementError) as error:
            if again:
                for queued in batch:
                    self._on_undo()  # another process may write between these transactions
                    await self._commit([queued], again=False)
            else:
                _settle(batch[0][1], error.__cause__ if isinstance(error, _Spoilt) else error)
        except BaseException as error:
            for index, (_, future) in enumerate(batch):
                _settle(future, _twin(error) if index and isinstance(error, FluxError) else error)
            if not isinstance(error, Exception):
                raise
        else:
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                _settle(future, outcome)

    async def _run(self, batch: list[_Queued]) -> list[Any]:
        transaction = await self._driver.begin()
        outcomes = []
        try:
            for operation, _ in batch:
                outcomes.append(await self._attempt(operation, transaction))
            await self._driver.commit(transaction)
        except BaseException:
            self._on_undo()
            await self._driver.rollback(transaction)
            raise
        return outcomes

    async def _attempt(self, operation: Operation[Any], transaction: Transaction) -> Any:
        """The result of an operation, or the error that concerns only itself."""
        before = transaction.changes
        try:
            return await operation(transaction)
        except StoreError:
            raise
        except FluxError as error:
            if transaction.changes != before:
                raise _Spoilt from error
            self._on_undo()
            return error
        except Exception as error:
            raise _Spoilt from error


def _comes_to_rest(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether nothing stands in the loop's queue behind what runs now; False when the queue cannot be read."""
    queue = getattr(loop, "_ready", None)
    return queue is not None and not queue


def _settle(future: asyncio.Future[Any], outcome: Any) -> None:
    if future.done():
        return  # its waiter was cancelled
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _twin(error: FluxError) -> FluxError:
    """The same error with a traceback of its own; its constructor may take something else than `args`."""
    twin = type(error).__new__(type(error), *error.args)
    twin.__dict__.update(error.__dict__)
    twin.__cause__ = error.__cause__
    return twin


def run_inline(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # StopIteration carries the coroutine's result
    coroutine.close()
    raise RuntimeError("a database that works inline suspended")
