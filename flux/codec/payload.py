"""The stored form of a value."""

from __future__ import annotations

from typing import Literal

from flux.records import record

Encoding = Literal["json", "dill"]


@record
class Payload:
    """A value as it is stored and shipped.

    Attributes:
        data: UTF-8 JSON with type tags (`encoding="json"`), or signed dill bytes (`encoding="dill"`).
            Only runners may open dill.
        encoding: how to read `data`.
        preview: a short text for people; set only where `data` is not readable (dill) or too long.
    """

    data: bytes
    encoding: Encoding = "json"
    preview: str = ""


NULL = Payload(b"null")
