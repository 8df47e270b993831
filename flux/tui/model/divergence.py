"""Where code and history of an execution have parted, as lines."""

from __future__ import annotations

from collections.abc import Mapping

from flux.errors import NonDeterminismError
from flux.tui.model.text import Line, Span, clean, wrap
from flux.wire.divergence import told

TITLE = "The code asks for something else than its history has"
_INDENT = 10


def is_divergence(output: object) -> bool:
    """Whether what a paused execution shows is its divergence."""
    return isinstance(output, Mapping) and output.get("type") == NonDeterminismError.__name__


def divergence_lines(output: object, width: int) -> list[Line]:
    """The recorded call, what the code does now, and the likely cause.

    Args:
        output: what the open wait of the execution shows.
        width: columns; the likely cause is broken at blanks.
    """
    lines: list[Line] = []
    for what, text, place in told(output if isinstance(output, Mapping) else {}):
        rows = wrap(text, max(width - _INDENT, 20))
        lines += [
            (Span(f"{what if not index else '':<{_INDENT}}", "key"), Span(row, "bold" if place else ""))
            for index, row in enumerate(rows)
        ]
        if place:
            lines.append((Span(" " * _INDENT), Span(clean(place), "accent")))
    return [*lines, (), *((Span(row, "dim"),) for row in wrap(NonDeterminismError.hint, width))]
