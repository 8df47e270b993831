"""What code reads from outside by itself: the clock, chance, the environment, files.

Replay runs the body of a workflow again, and each of these gives it another value than the first time.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

CLOCK = "use `await now()`"
RANDOM = "use `await uuid4()`, `randint()` or `choice()`"
OUTSIDE = "read it in a task, or take it as input"

_CLOCKS = frozenset(
    {
        *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
        *("time.time", "time.time_ns", "time.monotonic", "time.perf_counter", "time.localtime", "time.gmtime"),
    }
)
_CHANCES = frozenset({"uuid.uuid1", "uuid.uuid4", "os.urandom"})
_CHANCE_MODULES = frozenset({"random", "secrets"})
_OUTSIDE = frozenset({"os.getenv", "os.environ", "environ.get", "os.listdir", "open", "input"})

_TIME = re.compile(r"^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d|$)")
_ID = re.compile(r"^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$", re.IGNORECASE)
_EPOCHS = ((1e9, 4e9), (1e12, 4e12), (1e15, 4e15), (1e18, 4e18))
"""Seconds, milli-, micro- and nanoseconds of the years 2001 to 2096."""


@dataclass(frozen=True, slots=True)
class Read:
    """One place where code reads something that replay does not repeat.

    Attributes:
        text: as it stands in the source. line: in the file, 1-based. remedy: what to write instead.
    """

    path: str
    line: int
    text: str
    remedy: str


def direct_reads(func: Callable[..., Any]) -> tuple[Read, ...]:
    """What a function's own source reads from outside; nothing when its source cannot be had."""
    try:
        lines, first = inspect.getsourcelines(func)
        path = inspect.getsourcefile(func) or ""
        return tuple(reads_in("".join(lines), path, first))
    except (OSError, TypeError, SyntaxError, ValueError, RecursionError, SystemError):
        # Python 3.11's parser is not re-entrant: a collection that logs a traceback inside it raises SystemError.
        return ()


def reads_in(source: str, path: str = "", first: int = 1) -> Iterator[Read]:
    """The reads in the source of a function, in order.

    Args:
        first: line of the file at which `source` begins.

    Example:
        >>> [read.text for read in reads_in("def f():\\n    return time.time(), now()")]
        ['time.time()']
    """
    tree = ast.parse(textwrap.dedent(source))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.expr) and _remedy(node)]
    for node in sorted(found, key=lambda node: (node.lineno, node.col_offset)):
        yield Read(path, first + node.lineno - 1, ast.unparse(node), _remedy(node))


def looks_like_time(value: Any) -> bool:
    """ISO 8601, or a number that is a time of this century.

    Example:
        >>> looks_like_time("2026-01-31T08:00:00+00:00"), looks_like_time(7)
        (True, False)
    """
    if isinstance(value, str):
        return _TIME.match(value) is not None
    return _is_number(value) and any(low <= value <= high for low, high in _EPOCHS)


def looks_like_id(value: Any) -> bool:
    """A UUID, or as many hex digits."""
    return isinstance(value, str) and _ID.match(value) is not None


def looks_like_share(value: Any) -> bool:
    """A float between 0 and 1 with as many digits as `random()` gives."""
    return isinstance(value, float) and 0 < value < 1 and len(repr(value)) > 12


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _remedy(node: ast.expr) -> str:
    """What to write instead of an expression; "" when nothing is wrong with it."""
    if isinstance(node, ast.Subscript):
        return OUTSIDE if _dotted(node.value) == "os.environ" else ""
    if not isinstance(node, ast.Call):
        return ""
    name = ".".join(_dotted(node.func).split(".")[-2:])
    if name in _CLOCKS:
        return CLOCK
    if name in _CHANCES or (name.partition(".")[0] in _CHANCE_MODULES and "." in name):
        return RANDOM
    return OUTSIDE if name in _OUTSIDE else ""


def _dotted(node: ast.expr) -> str:
    """`a.b.c` of an attribute chain, "" for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join(reversed([*parts, node.id])) if isinstance(node, ast.Name) else ""
