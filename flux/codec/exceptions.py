"""Exceptions as tagged JSON: type, arguments, attributes, message, traceback text and cause."""

from __future__ import annotations

import traceback
from contextvars import ContextVar
from pathlib import Path
from typing import Any, get_args

from flux.codec.names import resolve, type_name
from flux.codec.plain import TAG, untag
from flux.codec.tags import NotJson, pack, unpack
from flux.errors import ExecutionError

_ENGINE = str(Path(__file__).resolve().parent.parent / "engine")
MAX_DEPTH = 10
"""How far causes and inner exceptions are followed."""

_MAX_TRACEBACK = 20_000
_VALIDATION = "pydantic_core._pydantic_core:ValidationError"
"""The one built-in error of a library that is common in user code and cannot be made from its arguments."""

_outer: ContextVar[tuple[int, ...]] = ContextVar("outer", default=())
"""Exceptions that are being packed, outermost first: some refer to themselves."""


def pack_exception(error: BaseException, path: str) -> dict[str, Any]:
    """Tagged form of an exception; whatever of it cannot be stored is replaced by its text.

    Raises `NotJson` for one that stands inside itself, or too deep inside others.
    """
    outer = _outer.get()
    if id(error) in outer or len(outer) > MAX_DEPTH:
        raise NotJson(error, path)
    token = _outer.set((*outer, id(error)))
    try:
        return _packed(error, path)
    finally:
        _outer.reset(token)


def _packed(error: BaseException, path: str) -> dict[str, Any]:
    inner = vars(error).get("inner_exception")
    cause = None if error.__cause__ is inner else error.__cause__
    # As Python shows them: what was handled when it was raised counts where nothing caused it.
    context = None if error.__cause__ or error.__suppress_context__ else error.__context__
    attributes = {name: item for name, item in vars(error).items() if not name.startswith("__") or name == "__notes__"}
    packed: dict[str, Any] = {
        TAG: "exception",
        "type": type_name(type(error)),
        "args": [_packed_or_text(item, path) for item in error.args],
        "attributes": {name: _packed_or_text(item, f"{path}.{name}") for name, item in attributes.items()},
        "message": text_of(error),
        "traceback": traceback_of(error),
        "cause": _packed_linked(cause, path),
    }
    if (linked := _packed_linked(context, path)) is not None:
        packed["context"] = linked
    if isinstance(error, OSError) and error.filename is not None:
        # Python leaves the file names out of `args`.
        packed["os"] = [_packed_or_text(item, path) for item in _os_arguments(error)]
    if packed["type"] == _VALIDATION:
        packed["validation"] = [_packed_validation_part(item, path) for item in _validation_parts(error)]
    return packed


def _os_arguments(error: OSError) -> tuple[Any, ...]:
    more = () if error.filename2 is None else (None, error.filename2)
    return (error.errno, error.strerror, error.filename, *more)


def _validation_parts(error: Any) -> tuple[str, list[dict[str, Any]], str]:
    """What pydantic makes such an error of: its title, its lines, and whether JSON or Python was read."""
    _, (_, _, mode, *_) = error.__reduce__()
    return error.title, error.errors(include_url=False), mode


def _packed_validation_part(part: Any, path: str) -> Any:
    if not isinstance(part, list):
        return part
    return [{name: _packed_or_text(item, path) for name, item in line.items()} for line in part]


def _packed_linked(linked: BaseException | None, path: str) -> Any:
    try:
        return None if linked is None else pack_exception(linked, path)
    except NotJson:
        return None


def unpack_exception(value: dict[str, Any]) -> BaseException:
    """The exception again, of its own type where that can be imported, else of one that is named like it."""
    attributes = {name: _unpacked(item) for name, item in value["attributes"].items()}
    error = _rebuild(value, [_unpacked(item) for item in value["args"]])
    vars(error).update(attributes)
    vars(error)["__traceback_text__"] = value["traceback"]
    inner = attributes.get("inner_exception")
    if value.get("cause"):
        error.__cause__ = unpack_exception(value["cause"])
    elif isinstance(inner, BaseException):
        error.__cause__ = inner
    if value.get("context"):
        error.__context__ = unpack_exception(value["context"])
    return error


def _unpacked(item: Any) -> Any:
    """A part of an exception; its plain form when its type is gone: the exception still has to be raised."""
    try:
        return unpack(item)
    except Exception:
        return untag(item)


def _rebuild(value: dict[str, Any], args: list[Any]) -> BaseException:
    """As pickle would: what users compute in `__init__` is among the attributes, what built-in types keep is not."""
    try:
        if "validation" in value:
            return _rebuild_validation(args, *value["validation"])
        kind = resolve(value["type"])
        base: Any = next(base for base in kind.__mro__ if base.__module__ == "builtins")
        if not issubclass(base, BaseException):
            raise TypeError(value["type"])
        initial = [_unpacked(item) for item in value["os"]] if "os" in value else args
        error: BaseException = base.__new__(kind, *initial)
        base.__init__(error, *initial)
        error.args = tuple(args)
    except Exception:
        return _stand_in(value)
    return error


def _rebuild_validation(args: list[Any], title: str, lines: list[dict[str, Any]], mode: Any) -> BaseException:
    """pydantic's own error, whose lines alone say what it is."""
    from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError
    from pydantic_core.core_schema import ErrorType

    details: list[InitErrorDetails] = []
    for line in lines:
        kind, context = line["type"], _unpacked(line.get("ctx"))
        known = kind in get_args(ErrorType)
        detail: InitErrorDetails = {
            "type": kind if known else PydanticCustomError(kind, line["msg"], context),
            "loc": tuple(_unpacked(line["loc"])),
            "input": _unpacked(line["input"]),
        }
        details.append({**detail, "ctx": context} if known and context else detail)
    error = ValidationError.from_exception_data(title, details, mode)
    error.args = tuple(args)
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
    except Exception:
        return f"<{type(value).__qualname__} without a readable text>"


def traceback_of(error: BaseException) -> str:
    """The traceback as text, without the engine's own frames; the recorded one after a replay."""
    if recorded := vars(error).get("__traceback_text__"):
        return str(recorded)
    if error.__traceback__ is None:
        return ""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_ENGINE)]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames)] if frames else []
    text = "".join([*lines, f"{type(error).__name__}: {text_of(error)}\n"])
    if len(text) <= _MAX_TRACEBACK:
        return text
    # Whole lines only: half of a secret would not be recognised as one.
    return "…\n" + text[-_MAX_TRACEBACK:].partition("\n")[2]
