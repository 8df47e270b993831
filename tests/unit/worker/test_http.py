"""The thin HTTP client of the hot requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from flux.worker.http import PostClient, ProtocolError


class Script:
    """A server that reads requests and answers as told."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self.answers: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0)
                writer.write(answer)
                if b"onnection: close" in answer or not answer:
                    break
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def scripted() -> AsyncIterator[tuple[Script, PostClient]]:
    script = Script()
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = PostClient(f"http://127.0.0.1:{port}/base/", timeout=10)
    yield script, client
    client.close()
    server.close()
    await server.wait_closed()


def ok(body: bytes, headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(body), headers, body)


async def test_requests_share_a_connection(scripted):
    script, client = scripted
    script.answers = [ok(b"one"), ok(b"two")]
    assert (await client.post("/a", b"x", {"X-Token": "t"})).body == b"one"
    assert (await client.post("/b", b"", {})).body == b"two"
    assert script.connections == 1
    assert script.requests[0].startswith(b"POST /base/a HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"X-Token: t" in script.requests[0]
    assert script.requests[0].endswith(b"\r\n\r\nx")


async def test_chunked_answers_are_put_together(scripted):
    script, client = scripted
    script.answers = [
        b"HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
        ok(b""),
    ]
    answer = await client.post("/a", b"", {})
    assert (answer.status, answer.body) == (409, b"abcde")
    assert (await client.post("/b", b"", {})).status == 200
    assert script.connections == 1


async def test_answers_without_a_body(scripted):
    script, client = scripted
    script.answers = [b"HTTP/1.1 204 No Content\r\n\r\n"]
    assert (await client.post("/a", b"", {})).status == 204


async def test_a_closed_connection_is_not_used_again(scripted):
    script, client = scripted
    script.answers = [ok(b"one", b"Connection: close\r\n"), ok(b"two")]
    await client.post("/a", b"", {})
    assert (await client.post("/b", b"", {})).body == b"two"
    assert script.connections == 2


async def test_a_hang_up_in_the_middle_is_an_error(scripted):
    script, client = scripted
    script.answers = [b""]
    with pytest.raises(ProtocolError):
        await client.post("/a", b"", {})


async def test_what_is_not_http_is_an_error(scripted):
    script, client = scripted
    script.answers = [b"SSH-2.0-OpenSSH\r\n\r\n"]
    with pytest.raises(ProtocolError):
        await client.post("/a", b"", {})
