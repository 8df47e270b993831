"""Waiting on behalf of a client that may go away meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from flux.errors import ServerUnavailableError

T = TypeVar("T")


async def patiently(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; stops waiting (and nothing else) when the client disconnects.

    What the work waits for goes on: a client that goes away cancels no execution.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ServerUnavailableError("The client went away.")
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
