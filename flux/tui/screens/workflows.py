"""Workflows: what can be run, how its last run ended, and its source."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container, Vertical

from flux.tui.bindings import bindings
from flux.tui.feed import describe
from flux.tui.model.format import ref_of, workflow_label
from flux.tui.model.jsonlines import code_line
from flux.tui.model.rows import WORKFLOW_COLUMNS, workflow_row
from flux.tui.model.schema import build
from flux.tui.model.selectors import workflows
from flux.tui.model.store import Topic
from flux.tui.model.table import header
from flux.tui.model.text import Line, Span, clean, fit
from flux.tui.screens.base import AreaScreen, Selection
from flux.tui.widgets.json_view import JsonView, Lines
from flux.tui.widgets.line_bar import LineBar
from flux.tui.widgets.line_view import LineView, Rows
from flux.wire.models import WorkflowDetail, WorkflowSummary

_SETTLE = 0.08
_EMPTY = "No workflows yet · save a file with a @workflow in a watched folder, or flux workflow register FILE"


class WorkflowsScreen(AreaScreen):
    """Area 3."""

    AREA = "workflows"
    CSS_PATH = "workflows.tcss"
    BINDINGS = bindings("workflows")

    def __init__(self) -> None:
        super().__init__()
        self.details: dict[str, WorkflowDetail] = {}

    def panes(self) -> ComposeResult:
        """The list, and the selected workflow's input and source."""
        with Container(id="panes"):
            with Vertical(id="list-pane", classes="pane"):
                yield LineView(header=lambda width: header(WORKFLOW_COLUMNS, width), edge="first", id="list")
            with Vertical(id="detail", classes="pane"):
                yield LineBar(self._title, classes="bar")
                yield JsonView(id="source")

    def redraw(self, topics: set[Topic]) -> None:
        """Draw what the topics concern."""
        if topics & {Topic.WORKFLOWS, Topic.CONNECTION, Topic.RELOADS}:
            store = self.flux.store
            rows = workflows(store, self.query_now)
            pane = self.pane(len(rows), len(store.workflows), store.loaded.workflows, _EMPTY)
            self.main.show(Rows(rows, self._row, lambda item: ref_of(item.namespace, item.name)), pane)
            self.moved()

    def _row(self, workflow: WorkflowSummary, width: int) -> Line:
        store = self.flux.store
        last = store.last_runs.get(ref_of(workflow.namespace, workflow.name))
        broken = any(_same_file(reload.path, workflow.path) for reload in store.broken())
        return workflow_row(workflow, last, broken, width, self.flux.now())

    def selection(self) -> Selection:
        """The workflow under the cursor."""
        return None, None, self.main.item

    def count_text(self) -> str:
        """How many of how many are shown."""
        total = len(self.flux.store.workflows)
        if self.flux.filters.get(self.AREA):
            return f"{len(self.main.rows.items)} of {total}"
        return f"{total} registered" if total else ""

    def moved(self) -> None:
        """Show the workflow under the cursor, once the cursor rests."""
        self._show()
        workflow = self.main.item
        if workflow is not None and self._detail(workflow) is None:
            self.flux.soon(_SETTLE, self._fetch)

    def _fetch(self) -> None:
        workflow: WorkflowSummary | None = self.main.item
        if workflow is None or self._detail(workflow) is not None:
            return
        ref = ref_of(workflow.namespace, workflow.name)

        async def load() -> None:
            try:
                self.details[ref] = await self.flux.api.get_workflow(ref)
            except Exception as problem:
                self.flux.note(Span(describe(problem), "bad"))
                return
            self._show()

        self.flux.feed.later(f"workflow {ref}", load)

    def _detail(self, workflow: WorkflowSummary) -> WorkflowDetail | None:
        detail = self.details.get(ref_of(workflow.namespace, workflow.name))
        return detail if detail is not None and detail.version == workflow.version else None

    def _show(self) -> None:
        workflow: WorkflowSummary | None = self.main.item
        view = self.query_one("#source", JsonView)
        detail = self._detail(workflow) if workflow else None
        if workflow is None:
            view.show_sections((), "")
        elif detail is None:
            view.show_sections((), "Loading …")
        else:
            view.show_sections(_sections(detail))
        for bar in self.query(LineBar):
            bar.refresh()

    def _title(self, width: int) -> Line:
        workflow: WorkflowSummary | None = self.main.item
        if workflow is None:
            return ()
        ref = ref_of(workflow.namespace, workflow.name)
        place = f"  {clean(workflow.path)}:{workflow.line}" if workflow.path else ""
        return (Span(f"  {workflow_label(ref, workflow.version)}", "bold"), Span(place, "dim"))


def _sections(detail: WorkflowDetail) -> list[tuple[str, object]]:
    sections: list[tuple[str, object]] = []
    if detail.description.strip():
        sections.append(("", Lines([(Span(clean(row)),) for row in detail.description.strip().split("\n")])))
    if detail.input_schema:
        fields = build(detail.input_schema).fields
        rows: list[Line] = [
            (
                Span(fit(".".join(item.path) or item.label, 22) + " ", "key"),
                Span(fit(item.kind + (" *" if item.required else ""), 10), "dim"),
                Span(" " + clean(item.description)),
            )
            for item in fields
        ]
        sections.append(("Input", Lines(rows)))
    if detail.tasks:
        sections.append(("Tasks", Lines([(Span(clean(", ".join(detail.tasks))),)])))
    if detail.source:
        numbered: list[Line] = [
            (Span(f"{number:>4} ", "accent" if number == detail.line else "dim"), *code_line(row))
            for number, row in enumerate(detail.source.split("\n"), 1)
        ]
        sections.append(("Source", Lines(numbered)))
    return sections


def _same_file(one: str, other: str) -> bool:
    """Paths may be relative to different folders: one ends with the other."""
    if not one or not other:
        return False
    first, second = one.strip("./").split("/"), other.strip("./").split("/")
    size = min(len(first), len(second))
    return first[-size:] == second[-size:]
