"""The server's own look at what arrives: it knows every secret, runners only those that they were given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flux.codec import Codec, Payload
from flux.domain import EventRecord, Inquiry, InquiryKind, LogLine
from flux.store.secrets import Secrets


class Secrecy:
    """Seals and redacts what contains a secret, before it is stored or shown.

    Example:
        secrecy = Secrecy(store.secrets, codec)
        payload = await secrecy.payload(from_plain(value))
    """

    def __init__(self, secrets: Secrets, codec: Codec) -> None:
        self._secrets = secrets
        self._codec = codec

    async def payload(self, payload: Payload) -> Payload:
        """What is stored of a value that somebody has sent."""
        return self._codec.guard(payload, await self._secrets.redactor())

    def events(self, events: tuple[EventRecord, ...]) -> tuple[EventRecord, ...]:
        """What is stored of a worker's events; of those that are sent again the same."""
        # Whether another process has changed the secrets is not asked here: this is the hot path, and starts ask.
        return tuple(map(self._event, events)) if self._secrets.known.active else events

    async def inquiry(self, inquiry: Inquiry) -> Inquiry:
        """A question, with what is to be kept as it is stored."""
        if inquiry.kind is not InquiryKind.CACHE_WRITE or inquiry.value is None:
            return inquiry
        return replace(inquiry, value=await self.payload(inquiry.value))

    async def lines(self, lines: Sequence[LogLine]) -> Sequence[LogLine]:
        """Output; what a process writes past its runner has been looked at by nobody yet."""
        redactor = await self._secrets.redactor()
        return [replace(line, text=redactor.redact(line.text)) for line in lines] if redactor.active else lines

    async def text(self, text: str) -> str:
        """A text that is shown."""
        return (await self._secrets.redactor()).redact(text)

    async def plain(self, value: Any) -> Any:
        """A plain JSON value that is shown."""
        return (await self._secrets.redactor()).redacted(value)

    def _event(self, event: EventRecord) -> EventRecord:
        payload, wait = self._guarded(event.payload), event.wait
        if wait is not None and (output := self._guarded(wait.output)) is not wait.output:
            return replace(event, payload=payload, wait=replace(wait, output=output))
        return event if payload is event.payload else replace(event, payload=payload)

    def _guarded(self, payload: Payload | None) -> Payload | None:
        return None if payload is None else self._codec.guard(payload, self._secrets.known)
