"""The identity of a call: parent + task name + digest of the arguments + occurrence.

Equal calls of one parent are told apart by their order, so concurrent branches may finish in any
order and still find their own recorded outcomes.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

_UNSAFE = re.compile(r"[^A-Za-z0-9_.~-]+")
_LABEL_LENGTH = 80
_PACKAGE = str(Path(__file__).resolve().parent.parent)
_LOOP = str(Path(os.__file__).parent / "asyncio")


@dataclass(slots=True)
class Call:
    """One call of a task.

    Attributes:
        id: `name_<16 hex>`, fit for addresses; the same in every replay.
        parent: id of the enclosing call, or "".
        location: `file:line` of the call.
        arguments: by parameter name, for the event and for people.
    """

    id: str
    name: str
    parent: str
    digest: str
    location: str
    arguments: Mapping[str, Any]


class CallCounter:
    """Hands out call ids within one run of an execution's code."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], int] = {}
        self._parents: dict[str, str] = {}

    def identify(self, path: str, name: str, digest: str, parent: str = "") -> str:
        """The id of the next call with this parent path, name and argument digest.

        Args:
            parent: id of the enclosing call, remembered for `ancestors`.
        """
        key = (path, name, digest)
        occurrence = self._seen.get(key, 0)
        self._seen[key] = occurrence + 1
        label = name if name.isidentifier() and name.isascii() else _UNSAFE.sub("-", name)[:_LABEL_LENGTH]
        text = f"{path}\x00{name}\x00{digest}\x00{occurrence}"
        call_id = f"{label}_{blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=8).hexdigest()}"
        if parent:
            self._parents[call_id] = parent
        return call_id

    def rename(self, call_id: str, shown: str) -> None:
        """A call is recorded under another id than that of its name."""
        if parent := self._parents.pop(call_id, ""):
            self._parents[shown] = parent

    def ancestors(self, call_id: str) -> Iterator[str]:
        """Ids of the calls around a call, innermost first."""
        while call_id := self._parents.get(call_id, ""):
            yield call_id

    def group(self, path: str, label: str) -> str:
        """A label for the next set of concurrent branches made at this place."""
        key = (path, label, "")
        occurrence = self._seen.get(key, 0)
        self._seen[key] = occurrence + 1
        return f"{label}{occurrence}"


def caller_location() -> str:
    """`file:line` of the nearest frame that is not Flux's own; "" when an event loop has begun the code."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    file = frame.f_code.co_filename
    return "" if file.startswith((_PACKAGE, _LOOP)) else f"{file}:{frame.f_lineno}"
