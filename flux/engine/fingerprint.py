"""The identity of a function's code: what a result depends on beside the arguments.

It covers the function, the functions and classes of the user's own files that it reaches by name, and the
constants among their globals, defaults and closures. Comments and line numbers do not count; neither does
data that may change (lists, dicts, objects, what some function assigns), nor the code of installed packages.
"""

from __future__ import annotations

import dis
import functools
import inspect
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import blake2b
from pathlib import Path, PurePath
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from flux.codec.digest import exact_digest
from flux.codec.names import type_name
from flux.engine.task import Task

_FIXED = (type(None), bool, int, float, complex, str, bytes, date, time, timedelta, Decimal, UUID, PurePath, Enum)
_known: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def fingerprint(subject: Any) -> str:
    """32 hex digits of the code of a function or class, the same in every process of one version of Python.

    It is read once: constants count as they were at the first call.
    """
    try:
        return _known[subject]
    except (KeyError, TypeError):  # not read yet; or nothing that can be a key
        found = _Reading().of(subject)
    if isinstance(subject, FunctionType | type):
        _known[subject] = found
    return found


class _Reading:
    """Follows code from one function to the next."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)
        self._seen: set[int] = set()
        self._waiting: deque[Any] = deque()
        self._assigned: dict[int, frozenset[str]] = {}

    def of(self, subject: Any) -> str:
        self._waiting.append(subject)
        while self._waiting:
            self._read(self._waiting.popleft())
        return self._hash.hexdigest()

    def _read(self, subject: Any) -> None:
        subject = _bare(subject)
        if id(subject) in self._seen:
            return
        self._seen.add(id(subject))
        named = subject if hasattr(subject, "__qualname__") and hasattr(subject, "__module__") else type(subject)
        self._note(type_name(named))
        if isinstance(subject, FunctionType) and not _is_foreign(subject.__code__.co_filename):
            self._read_function(subject)
        elif isinstance(subject, type) and not _is_foreign(_file_of(subject)):
            self._waiting.extend(subject.__bases__)
            for name, value in list(vars(subject).items()):
                if _is_code(_bare(value)) or _is_constant(name, vars(subject)):
                    self._read_value(name, value)

    def _read_function(self, function: FunctionType) -> None:
        self._read_code(function.__code__)
        for name, value in (function.__kwdefaults__ or {}).items():
            self._read_value(name, value)
        for value in function.__defaults__ or ():
            self._read_value("", value)
        for name, value in _closed_over(function):
            self._read_value(name, value)
        self._read_globals(function)

    def _read_globals(self, function: FunctionType) -> None:
        """What the code names, in its globals or in a local module that stands there."""
        names = list(dict.fromkeys(_names(function.__code__)))
        for name in names:
            value = function.__globals__.get(name)
            if isinstance(value, ModuleType) and not _is_foreign(getattr(value, "__file__", None) or ""):
                for inner in names:
                    self._read_global(inner, vars(value))
            else:
                self._read_global(name, function.__globals__)

    def _read_global(self, name: str, scope: dict[str, Any]) -> None:
        value = scope.get(name)
        if _is_code(_bare(value)):
            self._waiting.append(value)
        elif _is_constant(name, scope) and name not in self._assigned_in(scope):
            self._read_value(name, value)

    def _assigned_in(self, scope: dict[str, Any]) -> frozenset[str]:
        """Globals that some function of the module assigns, as a counter does."""
        if id(scope) not in self._assigned:
            self._assigned[id(scope)] = frozenset(
                name
                for value in list(scope.values())
                for function in _functions(value)
                if function.__globals__ is scope
                for name in _stored(function.__code__, "STORE_GLOBAL")
            )
        return self._assigned[id(scope)]

    def _read_code(self, code: CodeType) -> None:
        self._note(code.co_code, code.co_exceptiontable, code.co_names, code.co_varnames, code.co_freevars)
        self._note(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self._read_code(constant)
            else:
                self._note(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)

    def _read_value(self, name: str, value: Any) -> None:
        if _is_code(_bare(value)):
            self._waiting.append(value)
        else:
            self._note(name, type(value).__qualname__, exact_digest(value) if _is_fixed(value) else "")

    def _note(self, *parts: Any) -> None:
        self._hash.update(repr(parts).encode("utf-8", "surrogatepass"))


def _bare(value: Any) -> Any:
    """The function behind tasks, methods and partial calls."""
    while True:
        if isinstance(value, Task | functools.partial):
            value = value.func
        elif isinstance(value, MethodType | staticmethod | classmethod):
            value = value.__func__
        elif isinstance(value, property):
            value = value.fget
        else:
            return value


def _is_code(value: Any) -> bool:
    return isinstance(value, FunctionType | type)


def _is_fixed(value: Any) -> bool:
    if isinstance(value, tuple | frozenset):
        return all(map(_is_fixed, value))
    parameters = getattr(type(value), "__dataclass_params__", None)
    return isinstance(value, _FIXED) or (parameters is not None and parameters.frozen)


def _closed_over(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """What the function finds around it, unless it assigns that itself."""
    code = function.__code__
    assigned = set(_stored(code, "STORE_DEREF"))
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # not assigned yet
            if name not in assigned:
                yield name, cell.cell_contents


def _is_constant(name: str, scope: Mapping[str, Any]) -> bool:
    """Whether a name holds what cannot change; the module's own name and file do not matter."""
    return name in scope and not name.startswith("__") and _is_fixed(scope[name])


def _stored(code: CodeType, operation: str) -> Iterator[str]:
    """Names that a function, or one inside it, assigns with an operation."""
    for instruction in dis.get_instructions(code):
        if instruction.opname == operation:
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _stored(constant, operation)


def _functions(value: Any) -> Iterator[FunctionType]:
    """A function, or those of a class."""
    bare = _bare(value)
    if isinstance(bare, FunctionType):
        yield bare
    elif isinstance(bare, type):
        yield from (found for found in map(_bare, list(vars(bare).values())) if isinstance(found, FunctionType))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _file_of(kind: type) -> str:
    try:
        return inspect.getfile(kind)
    except (OSError, TypeError):  # built in, or typed in
        module = inspect.getmodule(kind)
        return "<input>" if module is None or module.__name__ == "__main__" else ""


def _is_foreign(file: str) -> bool:
    return not file or file.startswith(_foreign_folders())


@functools.cache
def _foreign_folders() -> tuple[str, ...]:
    """Where installed packages, the standard library and Flux itself lie."""
    import sysconfig

    installed = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return (*sorted(folder for folder in installed if folder), str(Path(__file__).parents[1]), "<frozen")
