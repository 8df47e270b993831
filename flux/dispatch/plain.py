"""Values of plain JSON types, which the server judges without the user's code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_SCALARS: dict[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool, "null": None}
_NOTES = frozenset({"title", "description"})


def fits_plainly(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether a schema of nothing but plain types lets a value through, as pydantic reads it.

    False says nothing: the schema may be another one, or the code may accept more.

    Example:
        >>> fits_plainly({"type": "array", "items": {"type": "integer"}}, [1, "2"])
        True
        >>> fits_plainly({"type": "string", "format": "date"}, "2024-02-30")
        False
    """
    adapter = _adapter(json.dumps(schema, sort_keys=True))
    if adapter is None:
        return False
    from pydantic import ValidationError

    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True


@lru_cache(maxsize=512)
def _adapter(text: str) -> TypeAdapter[Any] | None:
    from pydantic import TypeAdapter

    try:
        return TypeAdapter(_type(json.loads(text)))
    except _OtherError:
        return None


class _OtherError(Exception):
    """Not a plain type."""


def _type(schema: Any) -> Any:
    """The Python type that has this schema. Raises `_OtherError` unless all of it is plain."""
    if not isinstance(schema, Mapping):
        raise _OtherError
    found = {key: part for key, part in schema.items() if key not in _NOTES}
    match found:
        case {"type": str(name), **rest} if name in _SCALARS and not rest:
            return _SCALARS[name]
        case {"type": "array", "items": items, **rest} if not rest:
            return list[_type(items)]  # type: ignore[misc]  # a type made at run time
        case {"type": "object", "additionalProperties": inner, **rest} if not rest:
            return dict[str, Any if inner is True else _type(inner)]  # type: ignore[misc]  # made at run time
        case {"anyOf": [_, *_] as choices, **rest} if not rest:
            from typing import Union

            return Union[tuple(_type(choice) for choice in choices)]  # noqa: UP007  # made at run time
        case _ if not found:
            return Any
    raise _OtherError
