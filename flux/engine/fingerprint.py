"""The identity of a function's code: what a result depends on beside the arguments.

It covers the function, what it closes over as far as that cannot change, and the functions and classes of
the user's own files that it reaches by name. Comments and line numbers do not count; neither does data in
globals and in lists, dicts and objects, nor the code of installed packages.
"""

from __future__ import annotations

import dis
import functools
import inspect
from collections import deque
from collections.abc import Iterator
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

    It is read once: what a closure holds counts as it was at the first call.
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
            self._waiting.extend(value for value in map(_bare, vars(subject).values()) if _is_code(value))

    def _read_function(self, function: FunctionType) -> None:
        code = function.__code__
        self._read_code(code)
        cells = function.__closure__ or ()
        assigned = set(_assigned(code))
        for name, cell in zip(code.co_freevars, cells, strict=True):
            if name not in assigned:
                self._read_closed_over(name, cell)
        for value in _reached(function):
            self._waiting.append(value)

    def _read_code(self, code: CodeType) -> None:
        self._note(code.co_code, code.co_exceptiontable, code.co_names, code.co_varnames, code.co_freevars)
        self._note(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self._read_code(constant)
            else:
                self._note(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)

    def _read_closed_over(self, name: str, cell: Any) -> None:
        try:
            value = cell.cell_contents
        except ValueError:  # not assigned yet
            return
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


def _assigned(code: CodeType) -> Iterator[str]:
    """Names around the function that it gives other values, as a counter does."""
    for instruction in dis.get_instructions(code):
        if instruction.opname == "STORE_DEREF":
            yield instruction.argval


def _reached(function: FunctionType) -> Iterator[Any]:
    """Functions and classes that the code names, in globals or in a local module."""
    names = list(dict.fromkeys(_names(function.__code__)))
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, ModuleType) and not _is_foreign(getattr(value, "__file__", None) or ""):
            yield from (found for inner in names if _is_code(_bare(found := getattr(value, inner, None))))
        elif _is_code(_bare(value)):
            yield value


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
