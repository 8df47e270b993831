"""Values that JSON does not know, as tagged JSON and back."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID

from flux.codec.names import is_importable, resolve, type_name
from flux.codec.plain import TAG
from flux.codec.text import json_writer

MAX_DEPTH = 200
"""Deepest nesting of a payload in JSON: readers have limits of their own, and not much higher ones."""
_CONSTANTS = frozenset({str, bool, type(None)})
_SCALARS = _CONSTANTS | {int, float}
_CONTAINERS = frozenset({list, dict})
_BIG = 1 << 2048
"""Integers from here on are stored in hexadecimal: Python limits the digits of decimal texts it converts."""

_PYDANTIC = "pydantic_core._pydantic_core"
"""Where the zone comes from that pydantic gives to moments it reads; a plain offset like `timezone`."""

_dumps = json_writer(ascii=False, allow_nan=False)


class NotJson(Exception):
    """A value needs dill; `path` says where it stands and `kind` what it is."""

    def __init__(self, value: Any, path: str) -> None:
        self.value = value
        self.path = path
        self.kind = f"{type(value).__module__}.{type(value).__qualname__}"
        super().__init__(f"{path} is a {self.kind}")


class TooDeep(NotJson):
    """A value is nested more than `MAX_DEPTH` levels deep, or stands inside itself."""

    def __init__(self, value: Any) -> None:
        super().__init__(value, "$")


def is_plain(value: Any, depth: int = 0) -> bool:
    """Whether a value is JSON as it stands, but for numbers that the encoder refuses."""
    kind = type(value)
    if kind in _SCALARS:
        return True
    if kind is dict:
        if TAG in value:
            return False
        for key in value:
            if type(key) is not str:
                return False
        return _all_plain(value.values(), depth)
    return kind is list and _all_plain(value, depth)


def _all_plain(items: Iterable[Any], depth: int) -> bool:
    for item in items:
        if type(item) not in _SCALARS and (depth + 1 >= MAX_DEPTH or not is_plain(item, depth + 1)):
            return False
    return True


def to_json(value: Any) -> bytes:
    """Plain or tagged JSON of a value, as bytes. Raises `NotJson` for what needs dill."""
    try:
        if is_plain(value):
            return _encoded(value)
    except ValueError:  # numbers that are infinite, not a number or of thousands of digits: tags carry them
        pass
    try:
        packed = pack(value)
    except RecursionError:
        raise TooDeep(value) from None
    if _is_deep(packed):
        raise TooDeep(value)
    return _encoded(packed)


def _encoded(value: Any) -> bytes:
    text = _dumps(value)
    try:
        return text.encode()
    except UnicodeEncodeError:  # lone surrogates: JSON's own escapes carry them
        return json.dumps(value, separators=(",", ":")).encode()


def _is_deep(packed: Any) -> bool:
    level = [packed]
    for _ in range(MAX_DEPTH + 1):
        level = [item for item in level if type(item) in _CONTAINERS]
        if not level:
            return False
        level = [item for outer in level for item in (outer.values() if type(outer) is dict else outer)]
    return True


def pack(value: Any, path: str = "$") -> Any:
    """Tagged JSON structure of a value. Raises `NotJson` for what needs dill."""
    kind = type(value)
    if kind in _CONSTANTS:
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


def _pack_int(value: int, path: str) -> Any:
    return value if -_BIG < value < _BIG else tagged("int", hex(value))


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


def _pack_moment(tag: str) -> Callable[[Any, str], Any]:
    """Times of day and instants: ISO text, and what it leaves out (the zone's name, the second of two equal hours)."""

    def packed(value: Any, path: str) -> Any:
        zone = value.tzinfo
        more: dict[str, Any] = {"fold": 1} if value.fold else {}
        if type(zone) is timezone or type(zone).__module__ == _PYDANTIC:
            if (offset := zone.utcoffset(None)).microseconds:  # `fromisoformat` drops it when it is all there is
                more["offset"] = offset // timedelta(microseconds=1)
        elif zone is not None:
            if type(zone).__module__ != "zoneinfo" or not zone.key:
                raise NotJson(value, path)
            more["zone"] = zone.key
        return tagged(tag, value.isoformat(), **more)

    return packed


def _pack_pure_path(flavour: str) -> Callable[[Any, str], Any]:
    return lambda value, path: tagged("path", str(value), pure=flavour)


def _pack_enum(value: Enum, path: str) -> Any:
    """The value is what people and APIs see; members are found again by name, combined flags by value."""
    type_ = reference(type(value), value, path)
    if isinstance(value, Flag):
        return tagged("flag", value.value, type=type_)
    try:
        return tagged("enum", pack(value.value, path), type=type_, name=value.name)
    except NotJson:
        return tagged("enum", value.name, type=type_, name=value.name)


def _pack_dataclass(value: Any, path: str) -> Any:
    kind: Any = type(value)
    names = [field.name for field in dataclasses.fields(value)]
    if kind.__new__ is not object.__new__ or not getattr(value, "__dict__", {}).keys() <= set(names):
        raise NotJson(value, path)  # it is or carries more than its fields
    fields = {name: pack(getattr(value, name), f"{path}.{name}") for name in names if hasattr(value, name)}
    return tagged("dataclass", fields, type=reference(kind, value, path))


def _pack_model(value: Any, path: str) -> Any:
    """A pydantic model: fields and extras together, as its JSON has them; private attributes beside them."""
    kind = type(value)
    content = {name: item for name, item in vars(value).items() if name in kind.model_fields}
    content |= value.model_extra or {}
    more: dict[str, Any] = {"set": sorted(value.model_fields_set)}
    if private := value.__pydantic_private__:
        more["private"] = _pack_dict(private, path)
    if getattr(kind, "__pydantic_root_model__", False):
        more["root"] = True
    return tagged("model", _pack_fields(content, path), type=reference(kind, value, path), **more)


def _pack_fields(fields: dict[str, Any], path: str) -> dict[str, Any]:
    return {name: pack(item, f"{path}.{name}") for name, item in fields.items()}


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


def parts(value: Any) -> list[tuple[str, Any]]:
    """What a value is made of, with the path from it to each."""
    if isinstance(value, dict):
        return [(f".{key}" if type(key) is str else f"[{key!r}]", item) for key, item in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        return [(f"[{index}]", item) for index, item in enumerate(value)]
    return [(f".{name}", item) for name, item in getattr(value, "__dict__", {}).items() if not isinstance(value, type)]


def reference(type_: type, value: Any, path: str) -> str:
    """Name of a type that can be imported again; raises `NotJson` for others."""
    if not is_importable(type_):
        raise NotJson(value, path)
    return type_name(type_)


_PACKERS: dict[type, Callable[[Any, str], Any]] = {
    int: _pack_int,
    float: _pack_float,
    list: _pack_list,
    dict: _pack_dict,
    tuple: _pack_tuple,
    set: _pack_items("set"),
    frozenset: _pack_items("frozenset"),
    datetime: _pack_moment("datetime"),
    date: _pack_text("date", date.isoformat),
    time: _pack_moment("time"),
    timedelta: lambda value, path: tagged("timedelta", [value.days, value.seconds, value.microseconds]),
    UUID: _pack_text("uuid", str),
    Decimal: _pack_text("decimal", str),
    bytes: _pack_text("bytes", lambda value: base64.b64encode(value).decode()),
    bytearray: _pack_text("bytearray", lambda value: base64.b64encode(value).decode()),
    complex: _pack_text("complex", repr),
    type(Path()): _pack_text("path", str),
    PurePosixPath: _pack_pure_path("posix"),
    PureWindowsPath: _pack_pure_path("windows"),
}

_PACKERS_BY_BASE: list[tuple[type, Callable[[Any, str], Any]]] = [
    (Enum, _pack_enum),
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
    for field in dataclasses.fields(cls):
        if field.name not in value["v"]:
            _set_default(rebuilt, field)
    return rebuilt


def _set_default(rebuilt: Any, field: dataclasses.Field[Any]) -> None:
    """A field that the class has gained since."""
    if field.default is not dataclasses.MISSING:
        object.__setattr__(rebuilt, field.name, field.default)
    elif field.default_factory is not dataclasses.MISSING:
        object.__setattr__(rebuilt, field.name, field.default_factory())


def _unpack_model(value: dict[str, Any]) -> Any:
    cls = resolve(value["type"])
    content = {name: unpack(item) for name, item in value["v"].items()}
    fields = {name: item for name, item in content.items() if name in cls.model_fields}
    gained = {name: field for name, field in cls.model_fields.items() if name not in fields and not field.is_required()}
    rebuilt = cls.__new__(cls)
    extra = {name: item for name, item in content.items() if name not in fields}
    # The way of pickle: no validator or hook of the class runs again.
    rebuilt.__setstate__(
        {
            "__dict__": fields | {name: field.get_default(call_default_factory=True) for name, field in gained.items()},
            "__pydantic_extra__": extra if cls.model_config.get("extra") == "allow" else None,
            "__pydantic_fields_set__": set(value["set"]),
            "__pydantic_private__": unpack(value["private"]) if "private" in value else None,
        }
    )
    return rebuilt


def _unpack_moment(kind: type[datetime] | type[time]) -> Callable[[dict[str, Any]], Any]:
    def unpacked(value: dict[str, Any]) -> Any:
        moment = kind.fromisoformat(value["v"])
        if "fold" in value:
            moment = moment.replace(fold=1)
        if "offset" in value:
            moment = moment.replace(tzinfo=timezone(timedelta(microseconds=value["offset"])))
        if "zone" in value:
            from zoneinfo import ZoneInfo

            moment = moment.replace(tzinfo=ZoneInfo(value["zone"]))
        return moment

    return unpacked


def _unpack_path(value: dict[str, Any]) -> Any:
    return {None: Path, "posix": PurePosixPath, "windows": PureWindowsPath}[value.get("pure")](value["v"])


def _unpack_exception(value: dict[str, Any]) -> Any:
    from flux.codec.exceptions import unpack_exception

    return unpack_exception(value)


_UNPACKERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "int": lambda value: int(value["v"], 16),
    "float": lambda value: float(value["v"]),
    "dict": lambda value: {unpack(key): unpack(item) for key, item in value["v"]},
    "tuple": lambda value: tuple(map(unpack, value["v"])),
    "namedtuple": lambda value: resolve(value["type"])._make(map(unpack, value["v"])),
    "set": lambda value: set(map(unpack, value["v"])),
    "frozenset": lambda value: frozenset(map(unpack, value["v"])),
    "datetime": _unpack_moment(datetime),
    "date": lambda value: date.fromisoformat(value["v"]),
    "time": _unpack_moment(time),
    "timedelta": lambda value: timedelta(*value["v"]),
    "uuid": lambda value: UUID(value["v"]),
    "decimal": lambda value: Decimal(value["v"]),
    "bytes": lambda value: base64.b64decode(value["v"]),
    "bytearray": lambda value: bytearray(base64.b64decode(value["v"])),
    "complex": lambda value: complex(value["v"]),
    "path": _unpack_path,
    "enum": lambda value: resolve(value["type"])[value["name"]],
    "flag": lambda value: resolve(value["type"])(value["v"]),
    "dataclass": _unpack_dataclass,
    "model": _unpack_model,
    "exception": _unpack_exception,
}
