"""Server-sent events out of a streamed response."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
from httpx_sse import EventSource


@dataclass(frozen=True, slots=True)
class Message:
    """One server-sent event.

    Attributes:
        event: its name; `message` when the server named none.
        data: its text, lines joined.
        id: the last id the stream has named so far, or "".
    """

    event: str
    data: str
    id: str = ""


async def messages(response: httpx.Response) -> AsyncIterator[Message]:
    """The messages of a stream until it ends; keep-alive comments and empty messages are skipped."""
    async for sse in EventSource(response).aiter_sse():
        if sse.data:
            yield Message(sse.event or "message", sse.data, sse.id)
