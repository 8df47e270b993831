"""INPUT of `run`, `resume` and `exec`: JSON, a bare word, `@file`, or `-` for stdin."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

from flux.errors import UsageError

_OPENING = ("{", "[", '"')


def parse_input(text: str | None) -> Any:
    """The value that an INPUT argument stands for; None when there is none.

    What is not JSON is taken as a string, unless it starts like JSON that was meant to be an object, a
    list or a string: then it is an error with its line and column.

    Example:
        >>> parse_input('{"n": 1}'), parse_input("42"), parse_input("Joe")
        ({'n': 1}, 42, 'Joe')
    """
    if text is None:
        return None
    if text == "-":
        return parse_text(sys.stdin.read(), "stdin")
    if text.startswith("@"):
        return parse_text(_read(Path(text[1:]).expanduser()), text[1:])
    return parse_text(text, "INPUT")


def parse_text(text: str, source: str) -> Any:
    """The value of a text; `source` names it in errors."""
    stripped = text.strip()
    try:
        return json.loads(stripped, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        if stripped[:1] in _OPENING:
            raise UsageError(
                f"{source} is not valid JSON: {error.msg}, line {error.lineno} column {error.colno}.\n"
                + _pointer(stripped, error),
                hint="Quote the whole of it for the shell, or put it in a file and pass @file.",
            ) from error
    except _NotJson as error:
        if stripped[:1] in _OPENING:
            raise UsageError(f"{source} is not valid JSON: {error} is no JSON value; use null.") from error
    return stripped


class _NotJson(Exception):
    """NaN or Infinity, which Python would read: alone they are words like any other."""


def _refuse_constant(word: str) -> NoReturn:
    raise _NotJson(word)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"Cannot read the input file '{path}': {reason}.") from error


def _pointer(text: str, error: json.JSONDecodeError) -> str:
    """The line with the error, cut to what fits, and a mark under the place."""
    line = text.splitlines()[error.lineno - 1] if text else ""
    start = max(0, error.colno - 40)
    return f"  {line[start : start + 76]}\n  {' ' * (error.colno - 1 - start)}^"
