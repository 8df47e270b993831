"""JSON in and out: fast in the usual case, exact about what is wrong in the other."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from flux.errors import UsageError

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


class MalformedBodyError(UsageError):
    """The request body cannot be read; `line` and `column` say where (both from 1)."""

    code = "malformed_body"

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        self.line = line
        self.column = column
        super().__init__(message)

    def extra(self) -> dict[str, Any]:
        """The place in the body."""
        return {"line": self.line, "column": self.column}


def dumps(value: Any) -> bytes:
    """Plain values as JSON; datetimes become ISO 8601, NaN becomes null."""
    try:
        return _encoder.encode(value)
    except (OverflowError, UnicodeEncodeError, TypeError):
        return json.dumps(value, default=_iso).encode()  # numbers beyond 64 bits, lone surrogates


def loads(body: bytes) -> Any:
    """A JSON body; an empty one is null. Raises `MalformedBodyError` with line and column."""
    if not body:
        return None
    try:
        return _decoder.decode(body)
    except RecursionError:
        raise MalformedBodyError("The body is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(body, str(error)) from None


async def json_body(request: Request) -> Any:
    """Dependency: the request's JSON body as plain values."""
    return loads(await request.body())


def reply(content: Any, status: int = 200) -> Response:
    """A JSON response of plain values, not validated again."""
    return Response(dumps(content), status, media_type="application/json")


def _malformed(body: bytes, message: str) -> MalformedBodyError:
    try:
        json.loads(body)
    except json.JSONDecodeError as error:
        return MalformedBodyError(
            f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).", error.lineno, error.colno
        )
    except (UnicodeDecodeError, RecursionError) as error:
        return MalformedBodyError(f"The body is not UTF-8 JSON: {error}.")
    return MalformedBodyError(f"The body is not strict JSON: {message}.")


def _iso(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
