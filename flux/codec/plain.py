"""Payloads as plain JSON for people and APIs. Nothing is imported or unpickled here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from flux.codec.payload import Payload

TAG = "$"
"""Key that marks a tagged value in stored JSON."""
_WRAPPERS = ("flux.errors:ExecutionError",)


def to_plain(payload: Payload | None) -> Any:
    """The plain JSON form: ISO times, lists, base64, fields; `{"$type", "preview"}` for dill.

    Example:
        >>> to_plain(Payload(b'{"$":"tuple","v":[1,2]}'))
        [1, 2]
    """
    if payload is None:
        return None
    if payload.encoding == "dill":
        kind, _, preview = payload.preview.partition(" ")
        return {"$type": kind, "preview": preview}
    value = json.loads(payload.data)
    return untag(value) if b'"$"' in payload.data else value


def from_plain(value: Any) -> Payload:
    """The payload of a plain JSON value, as it arrives over HTTP."""
    from flux.codec.tags import pack

    return Payload(json.dumps(pack(value), separators=(",", ":")).encode())


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


def _untag_exception(tagged: Mapping[str, Any]) -> Any:
    inner = tagged.get("attributes", {}).get("inner_exception")
    if tagged["type"] in _WRAPPERS and isinstance(inner, dict):
        return _untag_exception(inner)
    plain: dict[str, Any] = {"type": tagged["type"].rpartition(":")[2], "message": tagged["message"]}
    for name in ("traceback", "cause"):
        if tagged.get(name):
            plain[name] = untag(tagged[name])
    if errors := tagged.get("attributes", {}).get("errors"):
        plain["errors"] = untag(errors)
    return plain


_PLAIN: dict[str, Callable[[Mapping[str, Any]], Any]] = {"dict": _untag_dict, "exception": _untag_exception}


def preview(payload: Payload | None, limit: int = 200) -> str:
    """A short text of a value for lists and logs, at most `limit` characters."""
    if payload is None:
        return ""
    if payload.encoding == "dill":
        text = payload.preview
    elif len(payload.data) > 64 * limit:
        text = payload.data[: 4 * limit].decode("utf-8", "replace")
    else:
        text = json.dumps(to_plain(payload), ensure_ascii=False)
    return text if len(text) <= limit else text[: limit - 1] + "…"
