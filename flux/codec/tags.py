"""Values that JSON does not know, as tagged JSON and back."""

from __future__ import annotations

import base64
import dataclasses
import functools
import importlib
import math
import sys
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePath
from typing import Any
from uuid import UUID

from flux.codec.plain import TAG

_SCALARS = frozenset({str, int, bool, type(None)})


class NotJson(Exception):
    """A value needs dill; `path` says where it stands and `kind` what it is."""

    def __init__(self, value: Any, path: str) -> None:
        self.value = value
        self.path = path
        self.kind = f"{type(value).__module__}.{type(value).__qualname__}"
        super().__init__(f"{path} is a {self.kind}")


def is_plain(value: Any) -> bool:
    """Whether a value is JSON as it stands."""
    kind = type(value)
    if kind in _SCALARS:
        return True
    if kind is float:
        return math.isfinite(value)
    if kind is list:
        return all(map(is_plain, value))
    if kind is dict:
        return TAG not in value and all(type(key) is str and is_plain(item) for key, item in value.items())
    return False


def pack(value: Any, path: str = "$") -> Any:
    """Tagged JSON structure of a value. Raises `NotJson` for what needs dill."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if (packer := _PACKERS.get(kind)) is not None:
        return packer(value, path)
    for base, packer in _PACKERS_BY_BASE:
        if isinstance(value, base):
            return packer(value, path)
    if hasattr(kind, "model_fields") and hasattr(kind, "model_construct"):
        return _pack_model(value, path)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _pack_dataclass(value, path)
    raise NotJson(value, path)


def tagged(tag: str, value: Any, **more: Any) -> dict[str, Any]:
    """One tagged value."""
    return {TAG: tag, "v": value, **more}


def _pack_float(value: float, path: str) -> Any:
    return value if math.isfinite(value) else tagged("float", repr(value))


def _pack_list(value: list[Any], path: str) -> Any:
    return [pack(item, f"{path}[{index}]") for index, item in enumerate(value)]


def _pack_dict(value: dict[Any, Any], path: str) -> Any:
    if TAG not in value and all(type(key) is str for key in value):
        return {key: pack(item, f"{path}.{key}") for key, item in value.items()}
    return tagged("dict", [[pack(key, f"{path} key"), pack(item, f"{path}[{key!r}]")] for key, item in value.items()])


def _pack_items(tag: str) -> Callable[[Any, str], Any]:
    return lambda value, path: tagged(tag, [pack(item, f"{path}[{index}]") for index, item in enumerate(value)])


def _pack_text(tag: str, text: Callable[[Any], str]) -> Callable[[Any, str], Any]:
    return lambda value, path: tagged(tag, text(value))


def _pack_enum(value: Enum, path: str) -> Any:
    if value.name is None:
        raise NotJson(value, path)
    return tagged("enum", value.name, type=reference(type(value), value, path))


def _pack_dataclass(value: Any, path: str) -> Any:
    fields = {
        field.name: pack(getattr(value, field.name), f"{path}.{field.name}")
        for field in dataclasses.fields(value)
        if hasattr(value, field.name)
    }
    return tagged("dataclass", fields, type=reference(type(value), value, path))


def _pack_model(value: Any, path: str) -> Any:
    fields = {name: pack(item, f"{path}.{name}") for name, item in value}
    given = sorted(value.model_fields_set)
    return tagged("model", fields, type=reference(type(value), value, path), set=given)


def _pack_tuple(value: tuple[Any, ...], path: str) -> Any:
    items = [pack(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if type(value) is tuple:
        return tagged("tuple", items)
    if hasattr(value, "_fields"):
        return tagged("namedtuple", items, type=reference(type(value), value, path))
    raise NotJson(value, path)


def _pack_exception(value: BaseException, path: str) -> Any:
    from flux.codec.exceptions import pack_exception

    return pack_exception(value, path)


def reference(type_: type, value: Any, path: str) -> str:
    """`module:qualname` of a type that can be imported again; raises `NotJson` for others."""
    found: Any = sys.modules.get(type_.__module__)
    for name in type_.__qualname__.split("."):
        found = getattr(found, name, None)
    if found is not type_:
        raise NotJson(value, path)
    return f"{type_.__module__}:{type_.__qualname__}"


@functools.lru_cache(maxsize=1024)
def resolve(name: str) -> Any:
    """The type behind a reference. Raises `ImportError` or `AttributeError`."""
    module, _, path = name.partition(":")
    return functools.reduce(getattr, path.split("."), importlib.import_module(module))


_PACKERS: dict[type, Callable[[Any, str], Any]] = {
    float: _pack_float,
    list: _pack_list,
    dict: _pack_dict,
    tuple: _pack_tuple,
    set: _pack_items("set"),
    frozenset: _pack_items("frozenset"),
    datetime: _pack_text("datetime", datetime.isoformat),
    date: _pack_text("date", date.isoformat),
    time: _pack_text("time", time.isoformat),
    timedelta: lambda value, path: tagged("timedelta", [value.days, value.seconds, value.microseconds]),
    UUID: _pack_text("uuid", str),
    Decimal: _pack_text("decimal", str),
    bytes: _pack_text("bytes", lambda value: base64.b64encode(value).decode()),
    bytearray: _pack_text("bytearray", lambda value: base64.b64encode(value).decode()),
    complex: _pack_text("complex", repr),
}

_PACKERS_BY_BASE: list[tuple[type, Callable[[Any, str], Any]]] = [
    (Enum, _pack_enum),
    (PurePath, _pack_text("path", str)),
    (tuple, _pack_tuple),
    (BaseException, _pack_exception),
]


def unpack(value: Any) -> Any:
    """The value of a tagged JSON structure. Imports the types it names: for runners and local runs only."""
    if isinstance(value, list):
        return [unpack(item) for item in value]
    if not isinstance(value, dict):
        return value
    if TAG not in value:
        return {key: unpack(item) for key, item in value.items()}
    return _UNPACKERS[value[TAG]](value)


def _unpack_dataclass(value: dict[str, Any]) -> Any:
    cls = resolve(value["type"])
    rebuilt = object.__new__(cls)
    for name, item in value["v"].items():
        object.__setattr__(rebuilt, name, unpack(item))
    return rebuilt


def _unpack_model(value: dict[str, Any]) -> Any:
    fields = {name: unpack(item) for name, item in value["v"].items()}
    return resolve(value["type"]).model_construct(_fields_set=set(value["set"]), **fields)


def _unpack_exception(value: dict[str, Any]) -> Any:
    from flux.codec.exceptions import unpack_exception

    return unpack_exception(value)


_UNPACKERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "float": lambda value: float(value["v"]),
    "dict": lambda value: {unpack(key): unpack(item) for key, item in value["v"]},
    "tuple": lambda value: tuple(map(unpack, value["v"])),
    "namedtuple": lambda value: resolve(value["type"])(*map(unpack, value["v"])),
    "set": lambda value: set(map(unpack, value["v"])),
    "frozenset": lambda value: frozenset(map(unpack, value["v"])),
    "datetime": lambda value: datetime.fromisoformat(value["v"]),
    "date": lambda value: date.fromisoformat(value["v"]),
    "time": lambda value: time.fromisoformat(value["v"]),
    "timedelta": lambda value: timedelta(*value["v"]),
    "uuid": lambda value: UUID(value["v"]),
    "decimal": lambda value: Decimal(value["v"]),
    "bytes": lambda value: base64.b64decode(value["v"]),
    "bytearray": lambda value: bytearray(base64.b64decode(value["v"])),
    "complex": lambda value: complex(value["v"]),
    "path": lambda value: Path(value["v"]),
    "enum": lambda value: resolve(value["type"])[value["v"]],
    "dataclass": _unpack_dataclass,
    "model": _unpack_model,
    "exception": _unpack_exception,
}
