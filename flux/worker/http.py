"""POST over kept-alive HTTP/1.1 connections, for the requests that a worker makes all the time.

A checkpoint is small and its answer too: here the round trip costs a fifth of what a full client takes.
Everything else of the worker goes through httpx.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

_IDLE_AT_MOST = 16
_IDLE_SECONDS = 3.0
"""Servers hang up on silent connections after some seconds; a request must not cross with that."""
_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class ProtocolError(OSError):
    """The other side does not speak HTTP as expected, or hung up in the middle."""


@dataclass(frozen=True, slots=True)
class Response:
    """Status and body of an answer."""

    status: int
    body: bytes


class PostClient:
    """Posts bytes to one server.

    Args:
        base_url: `http://host:port` or `https://…`, with or without a path.
        timeout: seconds for one request.
    """

    def __init__(self, base_url: str, timeout: float = 30.0) -> None:
        parts = urlsplit(base_url)
        self._host = parts.hostname or "localhost"
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        self._host_header = parts.netloc.rpartition("@")[2]
        self._timeout = timeout
        self._idle: deque[tuple[float, _Connection]] = deque()

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """The answer to one request.

        Raises `OSError` or `TimeoutError` when there is none; the request may have arrived all the same.
        """
        lines = [f"POST {self._prefix}{path} HTTP/1.1", f"Host: {self._host_header}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        data = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
        async with asyncio.timeout(self._timeout):
            reader, writer = await self._connection()
            try:
                writer.write(data)
                response, reusable = await _read(reader)
            except BaseException:
                writer.close()
                raise
        if reusable and len(self._idle) < _IDLE_AT_MOST:
            self._idle.append((asyncio.get_running_loop().time(), (reader, writer)))
        else:
            writer.close()
        return response

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop()[1][1].close()

    async def _connection(self) -> _Connection:
        while self._idle:
            since, (reader, writer) = self._idle.pop()
            fresh = asyncio.get_running_loop().time() - since < _IDLE_SECONDS
            if fresh and not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port, ssl=self._tls)


async def _read(reader: asyncio.StreamReader) -> tuple[Response, bool]:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        status, headers = _parse(head)
        if "chunked" in headers.get("transfer-encoding", ""):
            body = await _chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError) as error:
        raise ProtocolError(f"unexpected answer: {error}") from error
    return Response(status, body), headers.get("connection", "").lower() != "close"


def _parse(head: bytes) -> tuple[int, dict[str, str]]:
    first, *rest = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in rest:
        name, separator, value = line.partition(":")
        if separator:
            headers[name.strip().lower()] = value.strip()
    return int(first.split(" ", 2)[1]), headers


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        continue
    return b"".join(parts)
