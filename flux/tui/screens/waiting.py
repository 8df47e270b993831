"""Waiting: what executions wait for, people's answers first."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container, Vertical

from flux.domain.events import WaitKind
from flux.tui.bindings import bindings
from flux.tui.model.divergence import TITLE, divergence_lines
from flux.tui.model.format import clock_time, ref_of, short_id, workflow_label
from flux.tui.model.rows import WAIT_COLUMNS, wait_row
from flux.tui.model.schema import build
from flux.tui.model.selectors import waits
from flux.tui.model.store import Topic
from flux.tui.model.table import header
from flux.tui.model.text import Line, Span, clean, fit
from flux.tui.screens.base import AreaScreen, Selection
from flux.tui.widgets.json_view import JsonView, Lines
from flux.tui.widgets.line_bar import LineBar
from flux.tui.widgets.line_view import LineView, Rows
from flux.wire.models import PendingWaitModel

_EMPTY = "Nothing waits · an execution appears here when it calls pause() or sleep()"


class WaitingScreen(AreaScreen):
    """Area 2."""

    AREA = "waiting"
    CSS_PATH = "waiting.tcss"
    BINDINGS = bindings("waiting")

    def panes(self) -> ComposeResult:
        """The list, and what the selected wait shows."""
        with Container(id="panes"):
            with Vertical(id="list-pane", classes="pane"):
                yield LineView(header=lambda width: header(WAIT_COLUMNS, width), edge="first", id="list")
            with Vertical(id="detail", classes="pane"):
                yield LineBar(self._title, classes="bar")
                yield JsonView(id="shown")

    def redraw(self, topics: set[Topic]) -> None:
        """Draw what the topics concern."""
        if topics & {Topic.WAITS, Topic.CONNECTION, Topic.EXECUTIONS}:
            store = self.flux.store
            rows = waits(store, self.query_now)
            pane = self.pane(len(rows), len(store.waits), store.loaded.waits, _EMPTY)
            self.main.show(Rows(rows, self._row, lambda item: f"{item.execution_id} {item.id}"), pane)
            self.moved()

    def _row(self, wait: PendingWaitModel, width: int) -> Line:
        return wait_row(wait, width, self.flux.now())

    def selection(self) -> Selection:
        """The wait under the cursor and its execution."""
        wait = self.main.item
        return (self.flux.store.executions.get(wait.execution_id) if wait else None), wait, None

    def count_text(self) -> str:
        """How many of how many are shown."""
        total = len(self.flux.store.waits)
        if self.flux.filters.get(self.AREA):
            return f"{len(self.main.rows.items)} of {total}"
        return f"{total} open" if total else ""

    def moved(self) -> None:
        """Show what the person must judge, and what is asked for."""
        wait = self.main.item
        view = self.query_one("#shown", JsonView)
        if wait is None:
            view.show_sections((), "")
        else:
            view.show_sections(_sections(wait, max(view.size.width - 4, 20)))

    def _title(self, width: int) -> Line:
        wait = self.main.item
        if wait is None:
            return ()
        ref = workflow_label(ref_of(wait.namespace, wait.workflow), 0)
        return (
            Span(f"  {ref}", "bold"),
            Span(f"  {short_id(wait.execution_id)}", "dim"),
            Span(f"  waits for “{clean(wait.name)}”", "wait"),
            Span(f"  since {clock_time(wait.since)}", "dim"),
        )


def _sections(wait: PendingWaitModel, width: int) -> list[tuple[str, object]]:
    if wait.kind is WaitKind.DIVERGENCE:
        return [(TITLE, Lines(divergence_lines(wait.output, width)))]
    sections: list[tuple[str, object]] = []
    if wait.output is not None:
        sections.append(("It shows", wait.output))
    if wait.kind is WaitKind.INPUT:
        if wait.input_schema:
            sections.append(("It asks for (r answers)", Lines([_field(item) for item in _fields(wait)])))
        else:
            sections.append(("", Lines([(Span("It takes any value: r answers with JSON.", "dim"),)])))
    elif wait.wakes_at is not None:
        sections.append(("", Lines([(Span(f"It goes on by itself at {clock_time(wait.wakes_at)}.", "dim"),)])))
    else:
        sections.append(("", Lines([(Span("It goes on when its child has finished.", "dim"),)])))
    return sections


def _fields(wait: PendingWaitModel) -> list[tuple[str, str, str]]:
    form = build(wait.input_schema)
    return [
        (".".join(item.path) or item.label, item.kind + (" *" if item.required else ""), item.description)
        for item in form.fields
    ]


def _field(item: tuple[str, str, str]) -> Line:
    name, kind, description = item
    return (Span(fit(clean(name), 22) + " ", "key"), Span(fit(kind, 10), "dim"), Span(" " + clean(description)))
