"""The load client: plain sockets in a process of its own, so that the client's cost is small and not the server's.

Reads a `Load` as JSON from standard input and prints what it saw. Every connection is open before the clock starts.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> tuple[int, bytes]:
    """One request and its answer on an open connection."""
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    status = int(head.split(" ", 2)[1])
    if "content-length" in headers:
        return status, await reader.readexactly(int(headers["content-length"]))
    return status, await chunks(reader)


async def chunks(reader: asyncio.StreamReader) -> bytes:
    """A chunked body."""
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


def encode(load: dict[str, Any], path: str) -> bytes:
    """One HTTP request."""
    body = b"" if load["method"] == "GET" else json.dumps(load["body"]).encode()
    head = (
        f"{load['method']} {path} HTTP/1.1\r\nhost: 127.0.0.1:{load['port']}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def client(load: dict[str, Any], paths: list[str], seen: list[tuple[float, Any]], go: asyncio.Event) -> None:
    """One connection that takes the next request until none is left."""
    reader, writer = await asyncio.open_connection("127.0.0.1", load["port"])
    await go.wait()
    while paths:
        request = encode(load, paths.pop())
        begin = time.perf_counter()
        status, body = await exchange(reader, writer, request)
        seen.append((time.perf_counter() - begin, check(load, status, body)))
    writer.close()


def check(load: dict[str, Any], status: int, body: bytes) -> Any:
    """The answer; raises when it is not the one that was measured for."""
    answer = json.loads(body) if body else None
    state = answer.get("state") if isinstance(answer, dict) else None
    if status >= 300 or (load["expect_state"] and state != load["expect_state"]):
        raise RuntimeError(f"{status}: {body[:500]!r}")
    return {"execution_id": answer["execution_id"]} if answer and state else None


async def main() -> None:
    """All requests, then the figures as one line of JSON."""
    load = json.load(sys.stdin)
    paths = list(reversed(load["paths"])) or [load["path"]] * load["count"]
    seen: list[tuple[float, Any]] = []
    go = asyncio.Event()
    clients = [asyncio.create_task(client(load, paths, seen, go)) for _ in range(load["concurrency"])]
    await asyncio.sleep(0.2)
    begin = time.perf_counter()
    go.set()
    await asyncio.gather(*clients)
    seconds = time.perf_counter() - begin
    print(json.dumps({"seconds": seconds, "latencies": [s for s, _ in seen], "answers": [a for _, a in seen]}))


if __name__ == "__main__":
    asyncio.run(main())
