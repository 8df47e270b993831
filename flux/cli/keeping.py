"""How commands reach what is kept for tasks: through a server, or in the store of this project itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from flux.cli.options import Format
from flux.cli.render import put, put_json, talk
from flux.cli.session import on_server
from flux.errors import ServerUnavailableError

if TYPE_CHECKING:
    from flux.client.client import FluxClient
    from flux.store import Store

T = TypeVar("T")
WHERE = (
    "Without --server-url the configured server is asked; when none answers, the store of this project is used, "
    "which is what `wf.run()` and the next server here use."
)


def on_server_or_store(
    server_url: str, by_server: Callable[[FluxClient], Awaitable[T]], in_store: Callable[[Store], Awaitable[T]]
) -> T:
    """Run `by_server` with a client; without a server, and if none was named, `in_store` with the store."""
    try:
        return on_server(server_url, by_server)
    except ServerUnavailableError:
        if server_url or _is_server_set():
            raise
    return asyncio.run(_in_store(in_store))


def show_names(names: Sequence[str], format: Format, nothing: str) -> None:
    """Print the names of what is kept, a line each; say `nothing` when there are none."""
    if format == "json":
        put_json(names)
    elif names:
        put("\n".join(names))
    else:
        talk(nothing)


async def _in_store(work: Callable[[Store], Awaitable[T]]) -> T:
    from flux.config import load_settings
    from flux.local.opening import open_store

    settings = load_settings({})
    talk(f"No server answers: using the store {settings.database_url.removeprefix('sqlite:///')}.")
    async with open_store(settings) as store:
        return await work(store)


def _is_server_set() -> bool:
    from flux.config import load_settings

    return "server_url" in load_settings({}).workers.model_fields_set
