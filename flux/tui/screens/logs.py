"""Logs: every captured line, newest at the bottom."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical

from flux.tui.bindings import bindings
from flux.tui.model.ring import Ring
from flux.tui.model.store import LOG_LIMIT, Topic
from flux.tui.screens.base import AreaScreen, Selection
from flux.tui.widgets.log_view import LogView
from flux.wire.models import LogModel

_EMPTY = "No output yet · what workflows print, and the server's own lines, arrive here"


class LogsScreen(AreaScreen):
    """Area 4."""

    AREA = "logs"
    BINDINGS = bindings("logs")

    def panes(self) -> ComposeResult:
        """One view."""
        with Vertical(classes="pane"):
            yield LogView(id="list")

    @property
    def log_view(self) -> LogView:
        """The view."""
        return self.query_one("#list", LogView)

    def redraw(self, topics: set[Topic]) -> None:
        """Take in new lines."""
        if topics & {Topic.LOGS, Topic.CONNECTION}:
            store = self.flux.store
            ring: Ring[LogModel] = store.logs
            shown = len(ring) if not self.query_now else 1
            self.log_view.show_ring(ring, self.query_now, self.pane(shown, len(ring), store.loaded.logs, _EMPTY))
            if not self.log_view.shown:
                self.log_view.show_ring(ring, self.query_now, self.pane(0, len(ring), store.loaded.logs, _EMPTY))

    def selection(self) -> Selection:
        """The execution that wrote the line under the cursor."""
        log: LogModel | None = self.main.item
        return (self.flux.store.executions.get(log.execution_id) if log else None), None, None

    def count_text(self) -> str:
        """How many of how many are shown."""
        total = len(self.flux.store.logs)
        full = " · ring full" if total >= LOG_LIMIT else ""
        if self.flux.filters.get(self.AREA):
            return f"{self.log_view.shown:,} of {total:,}{full}"
        return f"{total:,} lines{full}" if total else ""
