"""What an agent and a runner say to each other over their pipe.

Each frame is a 4-byte big-endian length and that many bytes of MessagePack, one tagged struct
(https://msgpack.org). The agent never unpickles anything that a runner sends: payloads stay bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

from flux.codec import Payload
from flux.domain import Bundle, EventRecord, Execution, Inquiry, LogLine, Manifest
from flux.domain.verdict import Verdict

_HEADER = struct.Struct(">I")


class Frame(msgspec.Struct, frozen=True, tag=True):
    """Base of all frames; the tag is the class name."""


class Load(Frame, frozen=True):
    """agent → runner, once: import this code."""

    bundle: Bundle
    cwd: str
    settings: dict[str, str] = {}


class Start(Frame, frozen=True):
    """agent → runner: run or continue an execution."""

    execution: Execution
    history: tuple[EventRecord, ...]


class Answer(Frame, frozen=True):
    """agent → runner: a `WORKFLOW_RESUMING` event for an execution that runs under the claim `generation`."""

    execution_id: str
    generation: int
    event: EventRecord


class Cancel(Frame, frozen=True):
    """agent → runner: a `WORKFLOW_CANCELLING` event for an execution that runs under the claim `generation`."""

    execution_id: str
    generation: int
    event: EventRecord


class Ack(Frame, frozen=True):
    """agent → runner: everything up to `ordinal` is durable; or `error` says why it never will be."""

    execution_id: str
    generation: int
    ordinal: int = 0
    first_seq: int = 0
    error: str = ""


class Told(Frame, frozen=True):
    """agent → runner: answer to `Ask`; or `error` says why there is none."""

    execution_id: str
    generation: int
    request_id: int
    values: dict[str, Payload] = {}
    error: str = ""


class Validate(Frame, frozen=True):
    """agent → runner: does this value fit the workflow's input, or the answer of a wait?"""

    request_id: str
    namespace: str
    name: str
    kind: str
    value: Payload
    schema: str = ""
    model: str = ""


class Replay(Frame, frozen=True):
    """agent → runner: what would the loaded code do with this history? Long ones come in parts."""

    request_id: str
    execution: Execution
    events: tuple[EventRecord, ...]
    last: bool
    patience: float


class Shutdown(Frame, frozen=True):
    """agent → runner: finish what runs, then leave."""


class Loaded(Frame, frozen=True):
    """runner → agent: the code is imported; or `error` (with `path` and `line`) says why not."""

    manifest: Manifest = Manifest()
    error: str = ""
    traceback: str = ""
    path: str = ""
    line: int = 0


class Append(Frame, frozen=True):
    """runner → agent: make these events durable."""

    execution_id: str
    generation: int
    events: tuple[EventRecord, ...]
    release: bool = False


class Ask(Frame, frozen=True):
    """runner → agent: an execution needs something that is kept outside of its history."""

    execution_id: str
    generation: int
    request_id: int
    inquiry: Inquiry


class Progressed(Frame, frozen=True):
    """runner → agent: an ephemeral value, as JSON text."""

    execution_id: str
    source_id: str
    name: str
    value: str


class Output(Frame, frozen=True):
    """runner → agent: captured lines."""

    lines: tuple[LogLine, ...]


class Validated(Frame, frozen=True):
    """runner → agent: answer to `Validate`; no errors means valid."""

    request_id: str
    errors: list[dict[str, object]] = []


class Replayed(Frame, frozen=True):
    """runner → agent: answer to `Replay`."""

    request_id: str
    verdict: Verdict


class Gone(Frame, frozen=True):
    """runner → agent: this execution has left the runner (after its last append was acknowledged)."""

    execution_id: str
    generation: int


class Beat(Frame, frozen=True):
    """runner → agent: the loop is alive; sent at the start, and every second while there is work."""

    threads_stuck: int = 0


ToRunner = Load | Start | Answer | Cancel | Ack | Told | Validate | Replay | Shutdown
FromRunner = Loaded | Append | Ask | Progressed | Output | Validated | Replayed | Gone | Beat

_encoder = msgspec.msgpack.Encoder()
to_runner_decoder = msgspec.msgpack.Decoder(ToRunner)
from_runner_decoder = msgspec.msgpack.Decoder(FromRunner)


def pack(frame: Frame) -> bytes:
    """A frame with its length in front."""
    body = _encoder.encode(frame)
    return _HEADER.pack(len(body)) + body


class Unpacker:
    """Bytes in, bodies of whole frames out.

    Example:
        >>> unpacker = Unpacker()
        >>> data = pack(Shutdown())
        >>> list(unpacker.feed(data[:3])), len(list(unpacker.feed(data[3:])))
        ([], 1)
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Bodies of the frames that `data` completes."""
        self._buffer += data
        start = 0
        while len(self._buffer) - start >= 4:
            (size,) = _HEADER.unpack_from(self._buffer, start)
            if len(self._buffer) - start - 4 < size:
                break
            yield bytes(self._buffer[start + 4 : start + 4 + size])
            start += 4 + size
        del self._buffer[:start]
