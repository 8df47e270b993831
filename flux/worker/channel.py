"""One end of the frame pipe between an agent and a runner."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from contextvars import Context
from typing import Any

import msgspec

from flux.worker.frames import Frame, Unpacker, pack

_CHUNK = 1 << 18


class Channel:
    """Sends and receives frames over a connected socket.

    Frames sent in one pass of the event loop leave in one write. `send` belongs to the loop's thread;
    `send_now` may be called from any thread and does not wait for the loop.

    Args:
        decoder: of the frames that arrive here.
        on_frame: called on the loop's thread with each frame.
        on_closed: called once, when the other end is gone or has sent what is no frame.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        decoder: msgspec.msgpack.Decoder[Any],
        on_frame: Callable[[Any], None],
        on_closed: Callable[[], None],
    ) -> None:
        sock.setblocking(False)
        self._loop = loop
        self._socket = sock
        self._decoder = decoder
        self._on_frame = on_frame
        self._on_closed = on_closed
        self._unpacker = Unpacker()
        self._lock = threading.RLock()
        self._outgoing: list[bytes] = []
        self._backlog = bytearray()
        self._flush_due = False
        self._closed = False
        # The engine asks which executions have callbacks in the loop's queue; these belong to none.
        self._context = Context()
        self._context.run(loop.add_reader, sock.fileno(), self._readable)

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._closed

    def send(self, frame: Frame) -> None:
        """Send with whatever else this pass of the loop sends."""
        data = pack(frame)
        with self._lock:
            if self._closed:
                return
            self._outgoing.append(data)
            if self._flush_due:
                return
            self._flush_due = True
        self._loop.call_soon(self._flush, context=self._context)

    def send_now(self, frame: Frame) -> None:
        """Send at once, after what has been sent before; for any thread."""
        data = pack(frame)
        with self._lock:
            if not self._closed:
                self._outgoing.append(data)
                self._write()

    def flush(self) -> None:
        """Write what waits, blocking if need be; for the last words before an exit."""
        with self._lock:
            if self._closed:
                return
            data = bytes(self._backlog) + b"".join(self._outgoing)
            self._backlog.clear()
            self._outgoing.clear()
            with contextlib.suppress(OSError):
                self._socket.settimeout(1.0)
                self._socket.sendall(data)
            with contextlib.suppress(OSError):
                self._socket.setblocking(False)

    def drain(self) -> None:
        """Read what has arrived, for after the end of the other process."""
        while not self._closed:
            try:
                if not self._take(self._socket.recv(_CHUNK)):
                    return
            except OSError:
                return

    def close(self) -> None:
        """Stop, without `on_closed`."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            with contextlib.suppress(OSError, ValueError):
                self._loop.remove_reader(self._socket.fileno())
                self._loop.remove_writer(self._socket.fileno())
            self._socket.close()

    def _flush(self) -> None:
        with self._lock:
            self._flush_due = False
            if not self._closed:
                self._write()

    def _write(self) -> None:
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        if self._backlog:
            self._backlog += data
            return
        sent = self._send(data)
        if sent < len(data):
            self._backlog += data[sent:]
            self._loop.call_soon_threadsafe(self._watch_writable, context=self._context)

    def _watch_writable(self) -> None:
        with self._lock:
            if not self._closed and self._backlog:
                self._loop.add_writer(self._socket.fileno(), self._writable)

    def _writable(self) -> None:
        with self._lock:
            del self._backlog[: self._send(self._backlog)]
            if not self._backlog:
                self._loop.remove_writer(self._socket.fileno())

    def _send(self, data: bytes | bytearray) -> int:
        try:
            return self._socket.send(data) if data else 0
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            # The reading side notices the end and tells; there is nobody left to write to.
            return len(data)

    def _readable(self) -> None:
        try:
            data = self._socket.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not self._take(data):
            self._end()

    def _take(self, data: bytes) -> bool:
        """Pass the frames on that `data` completes; False at the end, or at what is no frame."""
        try:
            frames = [self._decoder.decode(body) for body in self._unpacker.feed(data)]
        except msgspec.DecodeError:
            return False
        for frame in frames:
            self._on_frame(frame)
        return bool(data)

    def _end(self) -> None:
        self.close()
        self._on_closed()
