"""The codec: any value to a payload and back to the same type."""

from __future__ import annotations

import hashlib
import hmac
import inspect
import json
import reprlib
from collections.abc import Callable
from typing import Any, Literal

from flux.codec.payload import Payload
from flux.codec.tags import MAX_DEPTH, NotJson, TooDeep, is_plain, parts, to_json, unpack
from flux.errors import CodecError

PREVIEW_LENGTH = 200
_SIGNATURE = 32
_MAX_PARTS = 1000
_short = reprlib.Repr()
_short.maxlevel, _short.maxstring, _short.maxother = 4, PREVIEW_LENGTH, PREVIEW_LENGTH
_short.maxlist = _short.maxtuple = _short.maxdict = _short.maxset = _short.maxfrozenset = 20


class Codec:
    """Encodes values: JSON first, tags for the usual types, signed dill for the rest.

    Args:
        serializer: "pkl", or "json" to refuse what JSON cannot carry.
        key: signs dill payloads; they are opened only when the signature fits.

    Example:
        >>> codec = Codec("json")
        >>> codec.decode(codec.encode({"when": (1, 2)}))
        {'when': (1, 2)}
    """

    def __init__(self, serializer: Literal["pkl", "json"] = "pkl", key: bytes = b"") -> None:
        self._json_only = serializer == "json"
        self._key = key

    def encode(self, value: Any) -> Payload:
        """The payload of a value. Raises `CodecError` that names the path of what cannot be carried."""
        try:
            return Payload(to_json(value))
        except NotJson as error:
            return self._encode_dill(value, error)

    def _encode_dill(self, value: Any, odd: NotJson) -> Payload:
        _refuse_awaitable(odd)
        if self._json_only and isinstance(odd, TooDeep):
            raise _too_deep()
        if self._json_only:
            raise CodecError(
                f'{odd.path} is a {odd.kind}, which JSON cannot carry (serializer = "json").',
                hint='Return plain values, or set serializer = "pkl".',
            )
        return Payload(self._dill(value, odd), "dill", _preview(value))

    def _dill(self, value: Any, odd: NotJson) -> bytes:
        import dill

        try:
            data: bytes = dill.dumps(value)
        except RecursionError:
            raise _too_deep() from None
        except Exception as error:
            odd = _culprit(value, "$", set()) or odd
            _refuse_awaitable(odd)
            raise CodecError(
                f"{odd.path} is a {odd.kind}, which cannot be stored: {type(error).__name__}: {error}",
                hint="Return data, not open resources; or keep it in a file and return its path.",
            ) from None
        return self._sign(data) + data

    def decode(self, payload: Payload) -> Any:
        """The value of a payload.

        Raises `CodecError` for dill whose signature does not fit, and for types that are gone.
        """
        if payload.encoding == "dill":
            return self._decode_dill(payload.data)
        value = json.loads(payload.data)
        return self._opened(unpack, value) if b'"$"' in payload.data else value

    def _decode_dill(self, data: bytes) -> Any:
        signature, body = data[:_SIGNATURE], data[_SIGNATURE:]
        if not hmac.compare_digest(signature, self._sign(body)):
            raise CodecError(
                "A stored value was signed with another key: it is not opened.",
                hint="Use the same home (or `security.encryption_key`) on all workers and servers.",
            )
        import dill

        return self._opened(dill.loads, body)

    def _opened(self, opener: Callable[[Any], Any], stored: Any) -> Any:
        try:
            return opener(stored)
        except Exception as error:
            raise CodecError(
                f"A stored value cannot be opened by this code: {type(error).__name__}: {error}",
                hint="Keep the types that stored values have importable under their names.",
            ) from error

    def _sign(self, data: bytes) -> bytes:
        return hmac.new(self._key, data, hashlib.sha256).digest()


def _refuse_awaitable(odd: NotJson) -> None:
    """What is not awaited yet cannot be stored, nor is it what anybody meant to store."""
    if inspect.iscoroutine(odd.value):
        shown = f"coroutine of {odd.value.__qualname__}"
        odd.value.close()
    elif inspect.isawaitable(odd.value):
        shown = odd.kind
    else:
        return
    raise CodecError(
        f"{odd.path} is a {shown}: was an `await` forgotten?", hint="Await the task and return its result."
    )


def _too_deep() -> CodecError:
    return CodecError(
        f"$ is nested more than {MAX_DEPTH} levels deep, or stands inside itself.",
        hint="Return a flatter value, or keep it in a file and return its path.",
    )


def _culprit(value: Any, path: str, seen: set[int]) -> NotJson | None:
    """The innermost part that dill refuses; None when every part alone is fine, or there are too many."""
    import dill

    if id(value) in seen or len(seen) > _MAX_PARTS or path.count(".") + path.count("[") > MAX_DEPTH or is_plain(value):
        return None
    seen.add(id(value))
    for name, part in parts(value):
        if found := _culprit(part, path + name, seen):
            return found
    try:
        dill.dumps(value)
    except Exception:
        return NotJson(value, path)
    return None


def _preview(value: Any) -> str:
    kind = type(value)
    try:
        text = _short.repr(value)
    except Exception:
        text = "…"
    text = text if len(text) <= PREVIEW_LENGTH else text[: PREVIEW_LENGTH - 1] + "…"
    name = f"{kind.__module__}.{kind.__qualname__}".replace(" ", "")
    return f"{name} {text}"
