"""The codec: any value to a payload and back to the same type; one that contains a secret is sealed."""

from __future__ import annotations

import hashlib
import hmac
import inspect
import json
import reprlib
from collections.abc import Callable
from typing import Any, Literal

from flux.codec import pickled
from flux.codec.names import type_name
from flux.codec.payload import Payload
from flux.codec.plain import to_plain
from flux.codec.redactor import HIDDEN, Redactor
from flux.codec.sealing import Seal
from flux.codec.tags import MAX_DEPTH, NotJson, TooDeep, is_plain, parts, to_json, unpack
from flux.codec.text import read_json
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
        key: signs dill payloads and encrypts sealed ones; they are opened under the same key only.
        redactor: knows the secrets of this process; payloads that contain one are sealed.

    Example:
        >>> codec = Codec("json")
        >>> codec.decode(codec.encode({"when": (1, 2)}))
        {'when': (1, 2)}
    """

    def __init__(
        self, serializer: Literal["pkl", "json"] = "pkl", key: bytes = b"", redactor: Redactor | None = None
    ) -> None:
        self.json_only = serializer == "json"
        self._key = key
        self._seal = Seal(key, "flux sealing")
        self.redactor = Redactor() if redactor is None else redactor

    def encode(self, value: Any, *, lent: bool = False) -> Payload:
        """The payload of a value. Raises `CodecError` that names the path of what cannot be carried.

        Args:
            lent: others still use the value. Coroutines in what is handed over are closed: nobody awaits them.
        """
        try:
            payload = Payload(to_json(value))
        except NotJson as error:
            payload = self._encode_dill(value, error, lent)
        return self.guard(payload) if self.redactor.active else payload

    def guard(self, payload: Payload, redactor: Redactor | None = None) -> Payload:
        """The payload itself, or sealed if it contains a secret; equal ones equally, as they may be delivered again.

        Args:
            redactor: knows other secrets than those of this process.
        """
        redactor = redactor or self.redactor
        if not redactor.active or payload.encoding == "sealed":
            return payload
        found = redactor.found(payload.data) or redactor.found(payload.preview.encode("utf-8", "surrogatepass"))
        if not found:
            return payload
        # Who opens it has to know what else must not be seen then.
        head = json.dumps([payload.encoding, payload.preview, found]).encode()
        sealed = self._seal.seal(head + b"\n" + payload.data, repeatable=True)
        return Payload(sealed, "sealed", _shown(payload, redactor))

    def unsealed(self, payload: Payload) -> Payload:
        """What was sealed, or the payload itself. The secrets in it are known from then on.

        Raises `WrongKeyError`.
        """
        if payload.encoding != "sealed":
            return payload
        head, _, data = self._seal.open(payload.data, "A stored value").partition(b"\n")
        encoding, preview, secrets = json.loads(head)
        self.redactor.learn(secrets)
        return Payload(data, encoding, preview)

    def _encode_dill(self, value: Any, odd: NotJson, lent: bool) -> Payload:
        _refuse_awaitable(odd, lent)
        if self.json_only and isinstance(odd, TooDeep):
            raise _too_deep()
        if self.json_only:
            raise CodecError(
                f'{odd.path} is a {odd.kind}, which JSON cannot carry (serializer = "json").',
                hint='Use plain values, or set serializer = "pkl".',
            )
        return Payload(self._dill(value, odd, lent), "dill", _preview(value))

    def _dill(self, value: Any, odd: NotJson, lent: bool) -> bytes:
        try:
            data = pickled.dumps(value)
        except RecursionError:
            raise _too_deep() from None
        except Exception as error:
            odd = _culprit(value, "$", set()) or odd
            _refuse_awaitable(odd, lent)
            raise CodecError(
                f"{odd.path} is a {odd.kind}, which cannot be stored: {type(error).__name__}: {error}",
                hint="Return data, not open resources; or keep it in a file and return its path.",
            ) from None
        return self._sign(data) + data

    def decode(self, payload: Payload) -> Any:
        """The value of a payload.

        Raises `CodecError` for what was signed or sealed with another key, and for types that are gone.
        """
        if payload.encoding == "sealed":
            payload = self.unsealed(payload)
        if payload.encoding == "dill":
            return self._decode_dill(payload.data)
        value = read_json(payload.data)
        return self._opened(unpack, value) if b'"$"' in payload.data else value

    def _decode_dill(self, data: bytes) -> Any:
        signature, body = data[:_SIGNATURE], data[_SIGNATURE:]
        if not hmac.compare_digest(signature, self._sign(body)):
            raise CodecError(
                "A stored value was signed with another key: it is not opened.",
                hint="Use the same home (or `security.encryption_key`) on all workers and servers.",
            )
        return self._opened(pickled.loads, body)

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


def _shown(payload: Payload, redactor: Redactor) -> str:
    """JSON of what is shown in place of a sealed payload: of a failure all but the secret, else nothing."""
    if payload.encoding == "json" and payload.data.startswith(b'{"$":"exception"'):
        failure = to_plain(payload)
        shown = redactor.redacted(failure)
        text = json.dumps(shown, ensure_ascii=False)
        if shown.keys() == failure.keys() and not redactor.found(text.encode()):
            return text
    return json.dumps(HIDDEN, ensure_ascii=False)


def _refuse_awaitable(odd: NotJson, lent: bool) -> None:
    """What is not awaited yet cannot be stored, nor is it what anybody meant to store."""
    if inspect.iscoroutine(odd.value):
        shown = f"coroutine of {odd.value.__qualname__}"
        if not lent:
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
    if id(value) in seen or len(seen) > _MAX_PARTS or path.count(".") + path.count("[") > MAX_DEPTH or is_plain(value):
        return None
    seen.add(id(value))
    for name, part in parts(value):
        if found := _culprit(part, path + name, seen):
            return found
    try:
        pickled.dumps(value)
    except Exception:
        return NotJson(value, path)
    return None


def _preview(value: Any) -> str:
    try:
        text = _short.repr(value)
    except Exception:
        text = "…"
    text = text if len(text) <= PREVIEW_LENGTH else text[: PREVIEW_LENGTH - 1] + "…"
    name = type_name(type(value)).replace(":", ".").replace(" ", "")
    return f"{name} {text}"
