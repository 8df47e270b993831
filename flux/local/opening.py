"""The configured store, opened by a process that needs no server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from flux.clock import Clock
from flux.config.home import Home
from flux.engine.frame import CURRENT
from flux.errors import UsageError
from flux.store import Store

if TYPE_CHECKING:
    from flux.config import Settings

T = TypeVar("T")


@asynccontextmanager
async def open_store(settings: Settings | None = None, clock: Clock | None = None) -> AsyncIterator[Store]:
    """The store of the settings, those in force unless given. Its home is made if there is none.

    Example:
        async with open_store() as store:
            await store.secrets.names()
    """
    if settings is None:
        from flux.config import load_settings

        settings = load_settings({})
    Home(settings.home).create()
    store = await Store.open(
        settings.database_url,
        clock=clock,
        synchronous=settings.database_synchronous,
        secrets_key=settings.secrets_key,
    )
    try:
        yield store
    finally:
        await store.close()


def from_outside(work: Callable[[Store], Awaitable[T]]) -> T:
    """Do something with the store and come back when it is done; a running event loop waits meanwhile.

    Raises `UsageError` inside of workflows: they may run where this store is not.
    """
    if CURRENT.get() is not None:
        raise UsageError(
            "Workflows do not open the store: it is used from outside of them.",
            hint="Use the command line, or a script of its own; inside of tasks, `FluxClient`.",
        )

    async def session() -> T:
        async with open_store() as store:
            return await work(store)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(session())
    with ThreadPoolExecutor(1) as elsewhere:
        return elsewhere.submit(lambda: asyncio.run(session())).result()
