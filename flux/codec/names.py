"""The names under which types are stored, and found again.

A script's own module is called `__main__` only while it runs as one. What it stores is named as an import
would name it, so that it is found again whether the script runs, is imported, or lies in a bundle.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_MAIN = "__main__"
_MAINS = (_MAIN, "__mp_main__")
_INIT = "__init__.py"


def module_name(file: Path, exists: Callable[[Path], bool] = Path.is_file) -> tuple[str, Path]:
    """The module that a file is, and the folder from which it is imported.

    Example:
        >>> there = {Path("/srv/shop/__init__.py")}
        >>> module_name(Path("/srv/shop/order.py"), there.__contains__)
        ('shop.order', PosixPath('/srv'))
    """
    folder = file.parent
    parts = [] if file.name == _INIT else [file.stem]
    while folder.name and exists(folder / _INIT):
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts) or file.stem, folder


def type_name(kind: Any) -> str:
    """`module:qualname` of a class or function, as an import would name it.

    Example:
        >>> type_name(ValueError)
        'builtins:ValueError'
    """
    module = kind.__module__
    return f"{(main_name() or module) if module in _MAINS else module}:{kind.__qualname__}"


def is_importable(kind: Any) -> bool:
    """Whether a class or function stands in its module under its name."""
    try:
        return _attribute(sys.modules.get(kind.__module__), kind.__qualname__) is kind
    except AttributeError:
        return False


def resolve(name: str) -> Any:
    """What has that `type_name`. Raises `ImportError` or `AttributeError`."""
    module, _, path = name.partition(":")
    if module == main_name():
        try:
            return _attribute(sys.modules[_MAIN], path)
        except AttributeError:
            pass  # another module of that name
    return _attribute(sys.modules.get(module) or importlib.import_module(module), path)


def main_name() -> str:
    """The name by which the running script would be imported; "" at a prompt."""
    main = sys.modules.get(_MAIN)
    if (spec := getattr(main, "__spec__", None)) is not None:
        return str(spec.name)
    return _script_name(getattr(main, "__file__", None) or "")


@functools.lru_cache(maxsize=8)
def _script_name(file: str) -> str:
    return module_name(Path(file).absolute())[0] if file.endswith(".py") else ""


def _attribute(found: Any, path: str) -> Any:
    return functools.reduce(getattr, path.split("."), found)
