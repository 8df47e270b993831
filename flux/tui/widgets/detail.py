"""Everything about one execution, in tabs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from flux.domain.events import ExecutionState
from flux.tui.model.divergence import TITLE, divergence_lines, is_divergence
from flux.tui.model.format import ref_of, short_id, state_style, state_text, took, workflow_label
from flux.tui.model.jsonlines import traceback_lines
from flux.tui.model.panes import Pane, PaneState
from flux.tui.model.rows import event_row
from flux.tui.model.store import Store
from flux.tui.model.text import Line, Span, spread, wrap
from flux.tui.widgets.json_view import JsonView, Lines
from flux.tui.widgets.line_bar import LineBar
from flux.tui.widgets.line_view import LineView, Rows
from flux.tui.widgets.log_view import LogView
from flux.tui.widgets.timeline_view import TimelineView
from flux.wire.models import EventModel, ExecutionSummary

TABS = (("events", "Events"), ("values", "Input/Output"), ("timeline", "Timeline"), ("output", "Logs"))


class DetailPane(Vertical):
    """Title, tabs and the view of the chosen tab.

    Args:
        store: where histories and lines are.
        now: what time it is on the screen.
    """

    DEFAULT_CSS = """
    DetailPane > ContentSwitcher { height: 1fr; }
    """

    def __init__(self, store: Store, now: Callable[[], datetime], *, id: str | None = None) -> None:
        super().__init__(id=id, classes="pane")
        self.store = store
        self.now = now
        self.execution: ExecutionSummary | None = None

    def compose(self) -> ComposeResult:
        """Two lines of title, then one view for each tab."""
        yield LineBar(self._title, id="detail-title")
        yield LineBar(self._tabs, id="detail-tabs")
        with ContentSwitcher(initial="events"):
            yield LineView(edge="last", id="events")
            yield JsonView(id="values")
            yield TimelineView(self.now, id="timeline")
            yield LogView(with_execution=False, id="output")

    @property
    def tab(self) -> str:
        """Id of the tab in front."""
        return self.query_one(ContentSwitcher).current or "events"

    @property
    def view(self) -> LineView:
        """The view in front."""
        return self.query_one(f"#{self.tab}", LineView)

    def choose(self, tab: str) -> None:
        """Bring a tab to the front."""
        had_focus = self.view.has_focus
        self.query_one(ContentSwitcher).current = tab
        self.refresh_all()
        if had_focus:
            self.view.focus()

    def turn(self, step: int) -> None:
        """The next tab, or the one before."""
        names = [name for name, _ in TABS]
        self.choose(names[(names.index(self.tab) + step) % len(names)])

    def show(self, execution: ExecutionSummary | None) -> None:
        """Show another execution, or the same after a change."""
        changed = (execution and execution.execution_id) != (self.execution and self.execution.execution_id)
        self.execution = execution
        if changed:
            for view in self.query(LineView):
                view.shift = 0
            events = self.query_one("#events", LineView)
            events.follow = True
        self.refresh_all()

    def refresh_all(self) -> None:
        """Draw what the chosen tab shows."""
        for bar in self.query(LineBar):
            bar.refresh()
        execution = self.execution
        history = self.store.history(execution.execution_id) if execution else None
        match self.tab:
            case "events":
                self._show_events(history)
            case "values":
                self._show_values(execution, history or [])
            case "timeline":
                self.query_one(TimelineView).show_events(history or [], "No task has started yet")
            case _:
                lines = self.store.logs_of(execution.execution_id) if execution else []
                pane = Pane(PaneState.EMPTY, "It has not printed anything" if execution else "")
                self.query_one("#output", LogView).show_lines(lines, pane)

    def _show_events(self, history: list[EventModel] | None) -> None:
        view = self.query_one("#events", LineView)
        if history is None:
            message = "Loading …" if self.execution else "Select an execution to see its events"
            view.show(Rows(), Pane(PaneState.LOADING, message))
            return
        view.show(Rows(list(history), lambda event, _: event_row(event)), Pane(PaneState.EMPTY, "No events yet"))

    def _show_values(self, execution: ExecutionSummary | None, history: list[EventModel]) -> None:
        view = self.query_one(JsonView)
        if execution is None:
            view.show_sections((), "Select an execution to see its values")
            return
        title = {ExecutionState.PAUSED: "Shows while it waits", ExecutionState.FAILED: "Error"}.get(
            execution.state, "Output"
        )
        sections: list[tuple[str, object]] = [("Input", execution.input)]
        if execution.state is ExecutionState.FAILED and isinstance(execution.output, dict):
            sections.append((title, Lines(self._error_lines(execution.output))))
        elif is_divergence(execution.output):
            sections.append((TITLE, Lines(divergence_lines(execution.output, max(self.size.width - 4, 20)))))
        else:
            sections.append((title, execution.output))
        view.show_sections(sections)

    def _error_lines(self, output: dict[str, object]) -> list[Line]:
        width = max(self.size.width - 4, 20)
        head = f"{output.get('type') or 'Error'}: {output.get('message') or ''}"
        lines: list[Line] = [(Span(row, "bad bold"),) for row in wrap(head, width)]
        trace = output.get("traceback")
        if isinstance(trace, str) and trace.strip():
            lines += [(), *traceback_lines(trace)]
        return lines

    def _title(self, width: int) -> Line:
        execution = self.execution
        if execution is None:
            return (Span("  Detail", "dim"),)
        ref = ref_of(execution.namespace, execution.workflow)
        left = [
            Span("  " + workflow_label(ref, execution.version), "bold"),
            Span(f"  {short_id(execution.execution_id)}", "dim"),
            Span(f"  {state_text(execution.state)}", state_style(execution.state)),
            Span(f"  {took(execution.started_at, execution.finished_at, self.now())}", ""),
        ]
        right = [Span(f"{execution.worker} ", "dim")] if execution.worker else []
        if execution.parent_id:
            above = Span(f"child of {short_id(execution.parent_id)} ", "accent", f"execution:{execution.parent_id}")
            right.insert(0, above)
        return spread(left, right, width)

    def _tabs(self, width: int) -> Line:
        spans: list[Span] = [Span("  ")]
        for name, title in TABS:
            chosen = name == self.tab
            spans += [Span(title, "title underline" if chosen else "dim", f"tab:{name}"), Span("  ")]
        return spread(spans, (Span("[ ] ", "dim"),), width)

    def on_line_bar_pressed(self, event: LineBar.Pressed) -> None:
        """A tab was clicked."""
        if event.target.startswith("tab:"):
            event.stop()
            self.choose(event.target.removeprefix("tab:"))

    def focus_view(self) -> None:
        """Give the keys to the view in front."""
        self.view.focus()

    @property
    def focus_within(self) -> bool:
        """Whether the keys go to this pane."""
        focused: Widget | None = self.screen.focused
        return focused is not None and self in focused.ancestors
