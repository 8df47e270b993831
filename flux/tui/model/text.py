"""Styled lines without a terminal library: a line is a list of spans, a span is text and the name of a style."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple


class Span(NamedTuple):
    """Text in one style.

    Attributes:
        style: space-separated names the theme knows: `dim bold accent good bad run wait key title mark inverse`.
        target: id of the command a click on it runs, or "".
    """

    text: str
    style: str = ""
    target: str = ""


Line = tuple[Span, ...]

_CONTROL = {
    code: chr(0x2400 + code) if code < 32 else "\N{SYMBOL FOR DELETE}"
    for code in (*range(32), 127)
    if code not in (9, 10)
} | {9: "    ", 10: "⏎"}
_INVISIBLE = dict.fromkeys(
    (*range(0x80, 0xA0), *range(0x200B, 0x2010), *range(0x202A, 0x202F), 0x2060, *range(0x2066, 0x206A), 0xFEFF), "·"
)
_TABLE = _CONTROL | _INVISIBLE


def clean(text: str) -> str:
    """One printable line: control characters are shown as symbols, so that data cannot drive the terminal.

    Example:
        >>> clean("a\\x1b[2Jb")
        'a␛[2Jb'
    """
    if text.isascii() and text.isprintable():
        return text
    text = text.translate(_TABLE)
    return text.encode("utf-8", "replace").decode("utf-8")


def cell_width(text: str) -> int:
    """Columns the text takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(_char_width(char) for char in text)


def _char_width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Exactly `width` columns: cut with `…`, or padded (on the left when `right`).

    Example:
        >>> fit("workflow", 5), fit("ab", 4, right=True)
        ('work…', '  ab')
    """
    if width <= 0:
        return ""
    have = cell_width(text)
    if have > width:
        text, have = _cut(text, width - 1)
        text, have = text + "…", have + 1
    padding = " " * (width - have)
    return padding + text if right else text + padding


def _cut(text: str, width: int) -> tuple[str, int]:
    if text.isascii():
        return text[: max(width, 0)], min(len(text), max(width, 0))
    taken = 0
    for index, char in enumerate(text):
        step = _char_width(char)
        if taken + step > width:
            return text[:index], taken
        taken += step
    return text, taken


def line(*parts: Span | str | tuple[str, str]) -> Line:
    """A line of spans; a plain string has no style.

    Example:
        >>> plain(line("a ", ("b", "bold")))
        'a b'
    """
    return tuple(
        part if isinstance(part, Span) else Span(part) if isinstance(part, str) else Span(*part) for part in parts
    )


def plain(spans: Iterable[Span]) -> str:
    """The text alone."""
    return "".join(span.text for span in spans)


def line_width(spans: Iterable[Span]) -> int:
    """Columns the line takes."""
    return sum(cell_width(span.text) for span in spans)


def wrap(text: str, width: int) -> list[str]:
    """Break prose at blanks (words longer than `width` are cut)."""
    rows: list[str] = []
    for paragraph in text.split("\n"):
        current = ""
        for word in _pieces(clean(paragraph).split(" "), width):
            candidate = f"{current} {word}" if current else word
            if cell_width(candidate) > width:
                rows.append(current)
                current = word
            else:
                current = candidate
        rows.append(current)
    return rows


def _pieces(words: Iterable[str], width: int) -> Iterator[str]:
    for word in words:
        rest = word
        while cell_width(rest) > width:
            head, _ = _cut(rest, max(width, 2))
            yield head
            rest = rest[len(head) :]
        yield rest


def spread(left: Sequence[Span], right: Sequence[Span], width: int) -> Line:
    """`left` at the left edge and `right` at the right edge; when both do not fit, `right` gives way."""
    gap = width - line_width(left) - line_width(right)
    if gap < 1:
        return tuple(left)
    return (*left, Span(" " * gap), *right)
