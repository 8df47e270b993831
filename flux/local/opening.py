"""The configured store, opened by a process that needs no server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from flux.clock import Clock
from flux.config.home import Home
from flux.store import Store

if TYPE_CHECKING:
    from flux.config import Settings


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
