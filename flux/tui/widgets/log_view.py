"""Log lines that follow the newest, and stay put while one reads."""

from __future__ import annotations

from collections.abc import Callable

from flux.tui.model.filters import Query
from flux.tui.model.logrows import LogRows
from flux.tui.model.panes import Pane
from flux.tui.model.ring import Ring
from flux.tui.model.rows import log_row
from flux.tui.model.text import Line
from flux.tui.widgets.line_view import LineView, Rows
from flux.wire.models import LogModel


class LogView(LineView):
    """A window on the ring of log lines.

    Args:
        with_execution: show the column of execution ids.
    """

    def __init__(self, *, with_execution: bool = True, id: str | None = None) -> None:
        super().__init__(edge="last", id=id)
        self._lines = LogRows()
        self._render_log: Callable[[LogModel, int], Line] = lambda log, _: log_row(log, with_execution=with_execution)

    def show_ring(self, ring: Ring[LogModel], query: Query, pane: Pane) -> None:
        """Show the lines of a ring that pass."""
        changed = self._lines.update(ring, query)
        if changed or pane != self.pane:
            items = list(self._lines.items)
            self.show(Rows(items, self._render_log, offset=self._lines.dropped), pane)

    def show_lines(self, logs: list[LogModel], pane: Pane) -> None:
        """Show these lines."""
        self.show(Rows(logs, self._render_log), pane)

    @property
    def shown(self) -> int:
        """How many lines pass the filter."""
        return len(self._lines.items)
