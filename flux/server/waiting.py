"""Waiting on behalf of a client that may go away meanwhile."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from starlette.requests import Request

from flux.errors import ServerUnavailableError

T = TypeVar("T")

_SHORT = 0.5
"""Seconds in which most waits are over; only after them it is worth to look whether the client is there."""


async def patiently(request: Request, waiting: asyncio.Future[T]) -> T:
    """The result of `waiting`; stops waiting, and nothing else, when the client disconnects.

    What is waited for goes on: a client that goes away cancels no execution.
    """
    try:
        await asyncio.wait((waiting,), timeout=_SHORT)
        if not waiting.done():
            await _or_gone(request, waiting)
        return waiting.result()
    finally:
        waiting.cancel()


async def _or_gone(request: Request, waiting: asyncio.Future[T]) -> None:
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((waiting, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
    if not waiting.done():
        raise ServerUnavailableError("The client went away.")


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
