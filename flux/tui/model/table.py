"""Columns that share the width of a pane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flux.tui.model.text import Line, Span, clean, fit


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        width: columns it takes, at least when `flex` is set.
        flex: its share of what is left over; 0 keeps the width.
        right: numbers stand at the right edge.
        from_width: hidden in panes narrower than this.
    """

    key: str
    title: str
    width: int
    flex: int = 0
    right: bool = False
    from_width: int = 0


_LEAST = 4
Cells = dict[str, tuple[str, str]]


def visible(columns: Sequence[Column], width: int) -> list[tuple[Column, int]]:
    """The columns shown in a pane of that width, with the width each gets."""
    shown = [column for column in columns if width >= column.from_width]
    left = width - sum(column.width for column in shown) - 2 * (len(shown) - 1)
    if left < 0:
        return _squeezed(shown, -left)
    shares = sum(column.flex for column in shown)
    result: list[tuple[Column, int]] = []
    for column in shown:
        extra = 0
        if shares and left > 0 and column.flex:
            extra = left * column.flex // shares
            left -= extra
            shares -= column.flex
        result.append((column, column.width + extra))
    return result


def _squeezed(shown: Sequence[Column], missing: int) -> list[tuple[Column, int]]:
    """Too little room: the columns that share give way, the widest first, so that the last one stays whole."""
    sizes = [column.width for column in shown]
    while missing > 0:
        able = [place for place, column in enumerate(shown) if column.flex and sizes[place] > _LEAST]
        if not able:
            break
        sizes[max(able, key=lambda place: sizes[place])] -= 1
        missing -= 1
    return list(zip(shown, sizes, strict=True))


def header(columns: Sequence[Column], width: int) -> Line:
    """Titles over the columns."""
    parts = [fit(column.title, size, right=column.right) for column, size in visible(columns, width)]
    return (Span("  ".join(parts), "dim"),)


def row(columns: Sequence[Column], width: int, cells: Cells) -> Line:
    """One row; cells that have no column here are left out."""
    spans: list[Span] = []
    for column, size in visible(columns, width):
        text, style = cells.get(column.key, ("", ""))
        if spans:
            spans.append(Span("  "))
        spans.append(Span(fit(clean(text), size, right=column.right), style))
    return tuple(spans)
