"""Payloads as plain JSON for people and APIs. Nothing is imported or unpickled here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from flux.codec.payload import Payload
from flux.errors import CodecError

TAG = "$"
"""Key that marks a tagged value in stored JSON."""
_WRAPPERS = ("flux.errors:ExecutionError",)
_TOLD = {"flux.errors:NonDeterminismError": ("recorded", "recorded_at", "attempted", "attempted_at", "cause")}
"""Members of errors that people look for; of all others their `errors`."""


def to_plain(payload: Payload | None) -> Any:
    """The plain JSON form: ISO times, lists, base64, fields; `{"$type", "preview"}` for dill, `•••` for secrets.

    Example:
        >>> to_plain(Payload(b'{"$":"tuple","v":[1,2]}'))
        [1, 2]
    """
    if payload is None:
        return None
    if payload.encoding == "dill":
        kind, _, preview = payload.preview.partition(" ")
        return {"$type": kind, "preview": preview}
    if payload.encoding == "sealed":
        return json.loads(payload.preview)
    value = json.loads(payload.data)
    if b'"$"' in payload.data:
        value = untag(value)
    return _encodable(value) if b"\\ud" in payload.data else value


def _encodable(value: Any) -> Any:
    """Without lone surrogates, which no UTF-8 carries; they are stored as escapes."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def from_plain(value: Any) -> Payload:
    """The payload of a plain JSON value, as it arrives over HTTP. Raises `CodecError` when nested too deeply."""
    from flux.codec.tags import TooDeep, to_json

    try:
        return Payload(to_json(value))
    except TooDeep:
        raise CodecError("The value is nested too deeply.") from None


def untag(value: Any) -> Any:
    """Plain form of a tagged JSON structure."""
    if isinstance(value, list):
        return [untag(item) for item in value]
    if not isinstance(value, dict):
        return value
    if TAG not in value:
        return {key: untag(item) for key, item in value.items()}
    return _PLAIN.get(value[TAG], _untag_value)(value)


def _untag_value(tagged: Mapping[str, Any]) -> Any:
    return untag(tagged.get("v"))


def _untag_dict(tagged: Mapping[str, Any]) -> Any:
    return {key if isinstance(key, str) else str(untag(key)): untag(item) for key, item in tagged["v"]}


def _untag_model(tagged: Mapping[str, Any]) -> Any:
    return untag(tagged["v"]["root"] if tagged.get("root") else tagged["v"])


def _untag_timedelta(tagged: Mapping[str, Any]) -> str:
    """ISO 8601 duration."""
    days, seconds, micros = tagged["v"]
    total = (days * 86_400 + seconds) * 1_000_000 + micros
    whole, fraction = divmod(abs(total), 1_000_000)
    days, seconds = divmod(whole, 86_400)
    digits = f".{fraction:06}".rstrip("0") if fraction else ""
    time = f"T{seconds}{digits}S" if seconds or fraction or not days else ""
    return f"{'-' if total < 0 else ''}P{f'{days}D' if days else ''}{time}"


def _untag_exception(tagged: Mapping[str, Any]) -> Any:
    inner = tagged.get("attributes", {}).get("inner_exception")
    if tagged["type"] in _WRAPPERS and isinstance(inner, dict):
        return _untag_exception(inner)
    plain: dict[str, Any] = {"type": tagged["type"].rpartition(":")[2], "message": tagged["message"]}
    parts = {name: tagged.get(name) for name in ("traceback", "cause", "context")}
    for name, part in (parts | {"cause": parts["cause"] or inner}).items():
        if part:
            plain[name] = untag(part)
    attributes = tagged.get("attributes", {})
    for name in _TOLD.get(tagged["type"], ("errors",)):
        if told := attributes.get(name):
            plain[name] = untag(told)
    return plain


_PLAIN: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "dict": _untag_dict,
    "exception": _untag_exception,
    "model": _untag_model,
    "timedelta": _untag_timedelta,
}


def preview(payload: Payload | None, limit: int = 200) -> str:
    """A short text of a value for lists and logs, at most `limit` characters."""
    if payload is None:
        return ""
    if payload.encoding != "json":
        text = payload.preview
    elif len(payload.data) > 64 * limit:
        text = payload.data[: 4 * limit].decode("utf-8", "replace")
    else:
        text = json.dumps(to_plain(payload), ensure_ascii=False)
    return text if len(text) <= limit else text[: limit - 1] + "…"
