"""How a command reaches the server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from flux.cli.options import SERVER_URL

if TYPE_CHECKING:
    from flux.client.client import FluxClient

T = TypeVar("T")
Connector = Callable[[str], "FluxClient"]


def _connect(server_url: str) -> FluxClient:
    from flux.client.client import FluxClient

    return FluxClient(server_url)


connector: ContextVar[Connector] = ContextVar("connector", default=_connect)
"""Makes the client of a URL; tests set one that reaches an application in their own process."""


def on_server(server_url: str, work: Callable[[FluxClient], Awaitable[T]]) -> T:
    """Run `work` with a client of the server and close the client.

    Args:
        server_url: as the option gave it; "" means the configured one.
    """

    async def session() -> T:
        client = connector.get()(server_url or configured_url())
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(session())


def is_chosen(server_url: str) -> bool:
    """Whether the option was given, and not only set for all commands: then no other place will do."""
    return bool(server_url) and server_url != os.environ.get(SERVER_URL)


def configured_url() -> str:
    """`workers.server_url` if somebody set it, else the address of this project's own server."""
    from flux.config import load_settings

    return load_settings({}).workers.server_url
