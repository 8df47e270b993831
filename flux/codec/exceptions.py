"""Exceptions as tagged JSON: type, arguments, attributes, message, traceback text and cause."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from flux.codec.plain import TAG
from flux.codec.tags import NotJson, pack, resolve, unpack
from flux.errors import ExecutionError

_ENGINE = str(Path(__file__).resolve().parent.parent / "engine")
MAX_CAUSES = 10


def pack_exception(error: BaseException, path: str, depth: int = 0) -> dict[str, Any]:
    """Tagged form of an exception; whatever of it cannot be stored is replaced by its text."""
    kind = type(error)
    cause = error.__cause__ if error.__cause__ is not getattr(error, "inner_exception", None) else None
    return {
        TAG: "exception",
        "type": f"{kind.__module__}:{kind.__qualname__}",
        "args": [_packed_or_text(item, path) for item in error.args],
        "attributes": {
            name: _packed_or_text(item, f"{path}.{name}")
            for name, item in vars(error).items()
            if not name.startswith("__")
        },
        "message": text_of(error),
        "traceback": traceback_of(error),
        "cause": pack_exception(cause, path, depth + 1) if cause is not None and depth < MAX_CAUSES else None,
    }


def unpack_exception(value: dict[str, Any]) -> BaseException:
    """The exception again, of its own type where that can be imported, else of one that is named like it."""
    args = [unpack(item) for item in value["args"]]
    attributes = {name: unpack(item) for name, item in value["attributes"].items()}
    error = _rebuild(value, args)
    vars(error).update(attributes)
    vars(error)["__traceback_text__"] = value["traceback"]
    inner = attributes.get("inner_exception")
    if value.get("cause"):
        error.__cause__ = unpack_exception(value["cause"])
    elif isinstance(inner, BaseException):
        error.__cause__ = inner
    return error


def _rebuild(value: dict[str, Any], args: list[Any]) -> BaseException:
    try:
        kind = resolve(value["type"])
        if not issubclass(kind, BaseException):
            raise TypeError
        # User classes may compute in `__init__`; the built-in ones set their fields there.
        error: BaseException = kind(*args) if kind.__module__ == "builtins" else kind.__new__(kind, *args)
        error.args = tuple(args)
    except Exception:
        return _stand_in(value)
    return error


def _stand_in(value: dict[str, Any]) -> BaseException:
    module, _, name = value["type"].partition(":")
    kind = type(name.rpartition(".")[2], (ExecutionError,), {"__module__": module})
    error: BaseException = kind(None, value["message"])
    return error


def _packed_or_text(value: Any, path: str) -> Any:
    try:
        return pack(value, path)
    except (NotJson, RecursionError):
        return text_of(value)


def text_of(value: Any) -> str:
    """`str(value)`, whatever its `__str__` does."""
    try:
        return str(value)
    except BaseException:
        return f"<{type(value).__qualname__} without a readable text>"


def traceback_of(error: BaseException) -> str:
    """The traceback as text, without the engine's own frames; the recorded one after a replay."""
    if recorded := vars(error).get("__traceback_text__"):
        return str(recorded)
    if error.__traceback__ is None:
        return ""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_ENGINE)]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames)] if frames else []
    return "".join([*lines, f"{type(error).__name__}: {text_of(error)}\n"])
