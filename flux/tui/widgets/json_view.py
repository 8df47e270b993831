"""Values as coloured JSON, in named sections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flux.tui.model.jsonlines import json_lines
from flux.tui.model.panes import Pane, PaneState
from flux.tui.model.text import Line, Span
from flux.tui.widgets.line_view import LineView, Rows


class JsonView(LineView):
    """Sections of JSON; scrolls without a cursor."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(cursor=False, id=id)

    def show_sections(self, sections: Sequence[tuple[str, Any]], empty: str = "") -> None:
        """Show (title, value) pairs; a value that is a list of lines already stays as it is."""
        lines: list[Line] = []
        for title, value in sections:
            if lines:
                lines.append(())
            if title:
                lines.append((Span(title, "dim"),))
            lines += value.lines if isinstance(value, Lines) else json_lines(value)
        self.show(Rows(lines), Pane(PaneState.READY if lines else PaneState.EMPTY, empty))


class Lines:
    """Ready-made lines in place of a value."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines
