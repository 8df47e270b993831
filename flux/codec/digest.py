"""Canonical digests of call arguments: equal arguments, equal digest, in every process."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import blake2b
from pathlib import PurePath
from typing import Any
from uuid import UUID

from flux.codec.plain import TAG
from flux.codec.tags import to_json
from flux.codec.text import json_writer

_MAX_DEPTH = 20


def digest(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """16 hex digits of a call's arguments.

    Lists and tuples count as equal, the order of dict keys and set members does not matter. What has no
    canonical form counts by its type, so that the occurrence among equal siblings tells calls apart.

    Example:
        >>> digest((1, {"a": 1, "b": 2}), {}) == digest((1, {"b": 2, "a": 1}), {})
        True
    """
    try:
        text = _encode([args, kwargs] if kwargs else [args])
    except Exception:  # keys of mixed types, cycles, great depth, objects that fail when looked at
        text = _encode(_loose([args, dict(kwargs)], ()))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def exact_digest(value: Any) -> str | None:
    """32 hex digits that two values share only if they are equal and of the same types; None where that is unknown.

    Known is what JSON with tags carries. The order of dict keys and set members does not matter.

    Example:
        >>> exact_digest({"a": 1, "b": 2}) == exact_digest({"b": 2, "a": 1}), exact_digest(1) == exact_digest(1.0)
        (True, False)
        >>> exact_digest(object()) is None
        True
    """
    try:
        tree = _sorted(json.loads(to_json(value)))
    except Exception:  # not JSON, too deep, or an object that fails when looked at
        return None
    return blake2b(_encode(tree).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _sorted(tree: Any) -> Any:
    """Tagged JSON with what has no order of its own in one order."""
    if isinstance(tree, list):
        return [_sorted(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    inside = {key: _sorted(item) for key, item in tree.items()}
    if inside.get(TAG) in ("set", "frozenset", "dict"):
        inside["v"] = sorted(inside["v"], key=_encode)
    return inside


def _canonical(value: Any) -> Any:
    """A JSON form of what the JSON encoder does not know."""
    kind = type(value).__qualname__
    if isinstance(value, datetime | date | time):
        return [kind, value.isoformat()]
    if isinstance(value, UUID | Decimal | PurePath | timedelta | complex):
        return [kind, str(value)]
    if isinstance(value, bytes | bytearray | memoryview):
        return [kind, blake2b(bytes(value), digest_size=16).hexdigest()]
    if isinstance(value, set | frozenset):
        return [kind, sorted(_encode(item) for item in value)]
    if isinstance(value, Enum):
        return [kind, value.name]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [kind, {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}]
    if hasattr(type(value), "model_fields"):
        return [kind, vars(value)]
    return [kind, getattr(value, "__qualname__", "")]


_encode = json_writer(sort_keys=True, default=_canonical)


def _loose(value: Any, above: tuple[int, ...]) -> Any:
    """A form that always can be encoded: odd keys by their own form, cycles and great depth cut off."""
    if value is None or isinstance(value, str | float):
        return value
    if isinstance(value, int):
        return hex(value)
    if len(above) > _MAX_DEPTH or id(value) in above:
        return "…"
    inside = (*above, id(value))
    if isinstance(value, Mapping):
        pairs = ([_loose(key, inside), _loose(item, inside)] for key, item in value.items())
        return sorted(pairs, key=_encode)
    if isinstance(value, list | tuple):
        return [_loose(item, inside) for item in value]
    if isinstance(value, set | frozenset):
        return [type(value).__qualname__, sorted((_loose(item, inside) for item in value), key=_encode)]
    return _loose_object(value, inside)


def _loose_object(value: Any, above: tuple[int, ...]) -> Any:
    kind = type(value).__qualname__
    try:
        name, content = _canonical(value)
    except Exception:
        return [kind]
    return [name, _loose(content, above)]
