"""JSON and Python source as styled lines."""

from __future__ import annotations

import json
import keyword
import re
from typing import Any

from flux.tui.model.text import Line, Span, clean

_JSON = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?=\s*:)|(?P<string>"(?:[^"\\]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)'
    r"|(?P<word>true|false|null)"
)
_JSON_STYLES = {"key": "key", "string": "good", "number": "accent", "word": "wait"}

_CODE = re.compile(
    r"(?P<comment>#.*$)|(?P<string>[rbfu]{0,2}(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'))"
    r"|(?P<number>\b\d+(?:\.\d+)?\b)|(?P<word>\b[A-Za-z_]\w*\b)|(?P<decorator>^\s*@[\w.]+)"
)
_FRAME = re.compile(r'^(\s*)File "(?P<path>.+)", line (?P<line>\d+)(?P<rest>.*)$')


def json_text(value: Any) -> str:
    """Indented JSON; what JSON cannot say is written as text."""
    try:
        return json.dumps(value, indent=2, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        return repr(value)


def json_lines(value: Any) -> list[Line]:
    """A value as indented, coloured JSON."""
    return [_highlight(row, _JSON, _JSON_STYLES) for row in json_text(value).split("\n")]


def code_line(text: str) -> Line:
    """A line of Python, coloured."""
    return _highlight(text, _CODE, {"comment": "dim", "string": "good", "number": "accent", "decorator": "accent"})


def _highlight(text: str, pattern: re.Pattern[str], styles: dict[str, str]) -> Line:
    text = clean(text)
    spans: list[Span] = []
    at = 0
    for match in pattern.finditer(text):
        style = styles.get(match.lastgroup or "", "")
        if match.lastgroup == "word" and not style:
            style = "key" if keyword.iskeyword(match[0]) else ""
        if not style:
            continue
        if match.start() > at:
            spans.append(Span(text[at : match.start()]))
        spans.append(Span(match[0], style))
        at = match.end()
    if at < len(text) or not spans:
        spans.append(Span(text[at:]))
    return tuple(spans)


def traceback_lines(text: str) -> list[Line]:
    """A Python traceback: places and the final message stand out, code is coloured."""
    rows = text.rstrip("\n").split("\n")
    lines: list[Line] = []
    for index, row in enumerate(rows):
        frame = _FRAME.match(row)
        if frame:
            place = Span(f"{clean(frame['path'])}:{frame['line']}", "accent bold")
            lines.append((Span(frame[1] + "at "), place, Span(clean(frame["rest"]), "dim")))
        elif set(row.strip()) <= set("^~ ") and row.strip():
            lines.append((Span(row, "bad"),))
        elif row.startswith((" ", "\t")):
            lines.append(code_line(row))
        else:
            lines.append((Span(clean(row), "dim" if index < len(rows) - 1 and row.endswith(":") else "bad bold"),))
    return lines


def last_place(text: str) -> tuple[str, int] | None:
    """File and line of the innermost frame of a traceback."""
    found = [(match["path"], int(match["line"])) for row in text.split("\n") if (match := _FRAME.match(row))]
    return found[-1] if found else None
