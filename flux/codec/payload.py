"""The stored form of a value."""

from __future__ import annotations

from typing import Literal

from flux.records import record

Encoding = Literal["json", "dill", "sealed"]


@record
class Payload:
    """A value as it is stored and shipped.

    Attributes:
        data: UTF-8 JSON with type tags (`encoding="json"`), signed dill bytes (`encoding="dill"`), or one of
            these encrypted, because it contains a secret (`encoding="sealed"`). Only runners may open the latter two.
        encoding: how to read `data`.
        preview: a short text for people where `data` is not readable: type and text for dill, for what is sealed the
            JSON that is shown in its place.
    """

    data: bytes
    encoding: Encoding = "json"
    preview: str = ""


NULL = Payload(b"null")
