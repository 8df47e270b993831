"""What only dill carries, as bytes and back.

dill copies the classes of a running script into each value, and named tuples of any module. Here whatever can
be imported is named instead: what comes back is of the same class.
"""

from __future__ import annotations

import io
from types import FunctionType
from typing import Any

from flux.codec.names import is_importable, main_name, resolve, type_name


def dumps(value: Any) -> bytes:
    """The dill form of a value. Raises whatever its parts raise when they refuse."""
    import dill

    buffer = io.BytesIO()
    pickler = dill.Pickler(buffer, dill.settings["protocol"])
    pickler.reducer_override = _named
    pickler.dump(value)
    return buffer.getvalue()


def loads(data: bytes) -> Any:
    """The value again. For runners and local runs only: it executes what the data says."""
    import dill

    unpickler = dill.Unpickler(io.BytesIO(data))
    find = unpickler.find_class
    main = main_name()
    unpickler.find_class = lambda module, name: resolve(f"{module}:{name}") if module == main else find(module, name)
    return unpickler.load()


def _named(value: Any) -> Any:
    """How dill is to write a class or function that can be imported; at a prompt nothing can, later on."""
    if not isinstance(value, type | FunctionType) or value is resolve or not is_importable(value):
        return NotImplemented
    name = type_name(value)
    return NotImplemented if name.startswith(("builtins:", "__main__:")) else (resolve, (name,))
