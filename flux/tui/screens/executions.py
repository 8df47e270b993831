"""Executions: the list, and everything about the selected one."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container, Vertical

from flux.tui.bindings import bindings
from flux.tui.model.filters import Query
from flux.tui.model.panes import Pane, PaneState
from flux.tui.model.rows import EXECUTION_COLUMNS, execution_row
from flux.tui.model.selectors import executions
from flux.tui.model.store import Topic
from flux.tui.model.table import header
from flux.tui.model.text import Line, Span
from flux.tui.screens.base import AreaScreen, Selection
from flux.tui.widgets.detail import DetailPane
from flux.tui.widgets.line_bar import LineBar
from flux.tui.widgets.line_view import LineView, Rows
from flux.tui.widgets.log_view import LogView
from flux.wire.models import ExecutionSummary

_SETTLE = 0.08
_EMPTY = "No executions yet · 3 then ⏎ runs a workflow · y copies the curl call"


class ExecutionsScreen(AreaScreen):
    """Area 1."""

    AREA = "executions"
    CSS_PATH = "executions.tcss"
    BINDINGS = bindings("executions")

    def panes(self) -> ComposeResult:
        """List and detail side by side, output below; one at a time where there is no room."""
        with Container(id="panes"):
            with Vertical(id="list-pane", classes="pane"):
                yield LineView(header=lambda width: header(EXECUTION_COLUMNS, width), edge="first", id="list")
            yield DetailPane(self.flux.store, self.flux.now, id="detail")
        with Vertical(id="log-pane", classes="pane"):
            yield LineBar(lambda _: (Span("  Logs", "dim"),), classes="bar")
            yield LogView(id="log")

    @property
    def detail(self) -> DetailPane:
        """The pane with the tabs."""
        return self.query_one(DetailPane)

    def redraw(self, topics: set[Topic]) -> None:
        """Draw what the topics concern."""
        store = self.flux.store
        if topics & {Topic.EXECUTIONS, Topic.CONNECTION, Topic.WAITS}:
            rows = executions(store, self.query_now)
            pane = self.pane(len(rows), store.total, store.loaded.executions, _EMPTY)
            self.main.show(Rows(rows, self._row, lambda item: item.execution_id), pane)
        if topics & {Topic.EXECUTIONS, Topic.EVENTS, Topic.LOGS, Topic.CONNECTION}:
            self._show_detail()
        if topics & {Topic.LOGS, Topic.CONNECTION}:
            self.query_one("#log", LogView).show_ring(store.logs, Query(), Pane(PaneState.EMPTY, "No output yet"))

    def _row(self, execution: ExecutionSummary, width: int) -> Line:
        return execution_row(execution, width, self.flux.now(), self.flux.store.waits_for(execution.execution_id))

    def _show_detail(self) -> None:
        selected = self.selection()[0]
        self.detail.show(selected)
        if selected is None:
            return
        known = self.flux.store.history(selected.execution_id)
        if self.detail.display and (known is None or selected.execution_id in self.flux.store.stale_histories):
            self.flux.soon(_SETTLE, self._fetch)

    def _fetch(self) -> None:
        selected = self.selection()[0]
        if selected is None:
            return
        execution_id, store, feed = selected.execution_id, self.flux.store, self.flux.feed
        if store.history(execution_id) is None or execution_id in store.stale_histories:
            feed.later(f"detail {execution_id}", lambda: feed.load_detail(execution_id))

    def selection(self) -> Selection:
        """The execution under the cursor, as new as it is known."""
        item = self.main.item
        return (self.flux.store.executions.get(item.execution_id, item) if item else None), None, None

    def count_text(self) -> str:
        """How many of how many are shown."""
        store, shown = self.flux.store, len(self.main.rows.items)
        if self.flux.filters.get(self.AREA):
            return f"{shown:,} of {store.total:,}"
        return f"{store.total:,} total" if store.total else ""

    def _view_state(self) -> list[Span]:
        spans, newer = super()._view_state(), self.main.newer
        if not newer:
            return spans
        if self.size.width < 110 and not self.flux.filters.get(self.AREA):
            spans = spans[1:]
        return [Span(f"↑ {newer:,} newer", "wait bold"), Span("  "), *spans]

    def moved(self) -> None:
        """Show the execution under the cursor."""
        self._show_detail()

    def on_line_view_bottom(self) -> None:
        """Older executions are asked for at the end of the list."""
        if self.focused is self.main and self.flux.store.cursor is not None:
            self.flux.feed.later("more", self.flux.feed.load_more)

    def open_detail(self) -> None:
        """Show the detail; where there is no room for both, instead of the list."""
        if self.has_class("-zoomed"):
            self.zoom()
        self.add_class("-detail-open")
        self._show_detail()
        self.detail.focus_view()

    def close_detail(self) -> bool:
        """Back to the list; False when that is where we are."""
        had_focus = self.detail.focus_within
        if not self.has_class("-detail-open") and not had_focus:
            return False
        self.remove_class("-detail-open")
        self.main.focus()
        return True

    def tick(self) -> None:
        """Bars of the timeline grow."""
        if self.flux.frozen_at is None and self.detail.tab == "timeline":
            self.detail.refresh_all()
        super().tick()
