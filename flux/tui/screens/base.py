"""What all areas have in common: the lines at the top and bottom, the filter, small and large terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.containers import Container
from textual.events import Resize
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input

from flux.tui.bindings import bindings
from flux.tui.commands import SCREENS, Scope, hints
from flux.tui.model.filters import Query, parse
from flux.tui.model.panes import Pane, pane_of
from flux.tui.model.selectors import counts
from flux.tui.model.store import Topic
from flux.tui.model.text import Line, Span
from flux.tui.widgets.line_bar import LineBar
from flux.tui.widgets.line_view import LineView
from flux.tui.widgets.status_bar import areas_line, hints_line, reload_line, status_line
from flux.wire.models import ExecutionSummary, PendingWaitModel, WorkflowSummary

if TYPE_CHECKING:
    from flux.tui.app import FluxApp

MIN_WIDTH, MIN_HEIGHT = 60, 15
_RELOAD_SECONDS = 12
Selection = tuple[ExecutionSummary | None, PendingWaitModel | None, WorkflowSummary | None]


class FilterInput(Input):
    """The line of `/`."""

    BINDINGS = bindings("filter")

    class Left(Message):
        """Enter or escape: `keep` says which."""

        def __init__(self, keep: bool) -> None:
            self.keep = keep
            super().__init__()

    def action_command(self, name: str) -> None:
        """Keep the filter or drop it."""
        self.post_message(self.Left(name == "filter.apply"))


class AreaScreen(Screen[None]):
    """Base of the areas. A subclass gives its panes and draws what changed."""

    AREA: ClassVar[Scope] = "executions"
    AUTO_FOCUS = "#list"
    BINDINGS = bindings("app")

    def compose(self) -> ComposeResult:
        """Top lines, panes, bottom lines."""
        yield LineBar(self._status, id="status")
        yield LineBar(self._areas, id="areas")
        yield LineBar(self._reload, id="reload")
        with Container(id="body"):
            yield from self.panes()
        yield FilterInput(placeholder="words, state:failed,paused", id="filter", select_on_focus=False)
        yield LineBar(lambda _: (Span(" "), *self.flux.last_note), id="note")
        yield LineBar(self._hints, id="hints")
        yield LineBar(self._too_small, id="too-small")

    def panes(self) -> ComposeResult:
        """The panes of the area."""
        raise NotImplementedError

    def redraw(self, topics: set[Topic]) -> None:
        """Draw what the topics concern."""
        raise NotImplementedError

    def selection(self) -> Selection:
        """The execution, wait and workflow under the cursor."""
        raise NotImplementedError

    @property
    def flux(self) -> FluxApp:
        """The app."""
        return cast("FluxApp", self.app)

    @property
    def query_now(self) -> Query:
        """The filter of this area."""
        return parse(self.flux.filters.get(self.AREA, ""))

    @property
    def main(self) -> LineView:
        """The list of the area."""
        return self.query_one("#list", LineView)

    # changes

    def changed(self, topics: set[Topic]) -> None:
        """Redraw, unless the view is paused."""
        if self.flux.frozen_at is None:
            self.redraw(topics)
        self.refresh_bars()

    def tick(self) -> None:
        """A second went by."""
        if self.flux.frozen_at is None:
            for view in self.query(LineView):
                view.refresh()
        self.refresh_bars()

    def on_screen_resume(self) -> None:
        """Shown again: catch up."""
        self.changed(set(Topic))
        self.show_note()

    def refresh_bars(self) -> None:
        """Draw the lines at the top and bottom."""
        look = self._reload_look()[1]
        for bar in self.query("#reload"):  # none while the screen comes or goes
            for name in ("good", "bad", "busy"):
                bar.set_class(look == name, f"-{name}")
        for each in self.query(LineBar):
            each.refresh()

    def show_note(self) -> None:
        """Show or hide the line above the keys."""
        note = self.query_one("#note", LineBar)
        note.set_class(bool(self.flux.last_note), "-shown")
        note.refresh()

    def pane(self, rows: int, total: int, loaded: bool, empty: str) -> Pane:
        """How the list of the area stands."""
        store = self.flux.store
        return pane_of(
            rows=rows,
            total=total,
            loaded=loaded,
            connected=store.connection.connected,
            error=store.loaded.error,
            query=self.flux.filters.get(self.AREA, ""),
            empty=empty,
        )

    # lines

    def _status(self, width: int) -> Line:
        app = self.flux
        address = app.api.base_url.removeprefix("http://")
        server = app.controls.server_status() if app.controls else None
        store = app.store
        return status_line(app.title_text, address, store.connection, counts(store), store.last_reload, server, width)

    def _areas(self, width: int) -> Line:
        return areas_line(self.AREA, counts(self.flux.store).waiting, self._view_state(), width)

    def _view_state(self) -> list[Span]:
        spans: list[Span] = []
        if text := self.flux.filters.get(self.AREA):
            spans += [Span(f"/{text}", "accent"), Span(f" {self.count_text()}", "dim")]
        elif text := self.count_text():
            spans.append(Span(text, "dim"))
        if self.flux.frozen_at is not None:
            missed = self.flux.store.applied - self.flux.frozen_count
            spans.append(Span(f"  ⏸ PAUSED +{missed}", "wait bold"))
        elif self.main.follow:
            spans.append(Span("  FOLLOW", "run bold"))
        if self.has_class("-zoomed"):
            spans.append(Span("  ZOOM", "accent bold"))
        return spans

    def count_text(self) -> str:
        """How many of how many are shown."""
        return ""

    def _reload_look(self) -> tuple[Line, str]:
        store, width = self.flux.store, self.size.width
        line, look = reload_line(store.broken(), store.last_reload, width)
        last = store.last_reload
        if look in ("good", "busy") and last and (self.flux.now() - last.time).total_seconds() > _RELOAD_SECONDS:
            return (), ""
        return line, look

    def _reload(self, width: int) -> Line:
        return self._reload_look()[0]

    def _hints(self, width: int) -> Line:
        return hints_line(hints(SCREENS[self.AREA], self.flux.context()), width)

    def _too_small(self, width: int) -> Line:
        size = f"{self.size.width}x{self.size.height}"
        return (Span(f"terminal too small ({size}), need {MIN_WIDTH}x{MIN_HEIGHT}; s streams, q quits", "wait"),)

    # keys, mouse, size

    def action_command(self, name: str) -> None:
        """Run a command of the table."""
        self.flux.actions.run(name)

    def on_line_bar_pressed(self, event: LineBar.Pressed) -> None:
        """A key hint, an area or another execution was clicked."""
        if event.target.startswith("execution:"):
            self.flux.actions.show_execution(event.target.removeprefix("execution:"))
        else:
            self.flux.actions.run(event.target)

    def on_line_view_moved(self, event: LineView.Moved) -> None:
        """Something else is selected."""
        if event.view is self.main:
            self.moved()
        self.refresh_bars()

    def on_line_view_followed(self) -> None:
        """Following began or ended."""
        self.refresh_bars()

    def on_line_view_opened(self) -> None:
        """A line was clicked twice."""
        opener = {"executions": "execution.open", "waiting": "wait.answer", "workflows": "workflow.run"}
        self.flux.actions.run(opener.get(self.AREA, "log.open"))

    def moved(self) -> None:
        """The cursor of the list is on something else."""

    def on_resize(self, event: Resize) -> None:
        """Under the smallest size nothing but a sentence is shown."""
        self.set_class(event.size.width < MIN_WIDTH or event.size.height < MIN_HEIGHT, "-tiny")
        self.refresh_bars()

    def zoom(self) -> None:
        """Give the pane with the focus the whole body, and back."""
        if self.has_class("-zoomed"):
            self.remove_class("-zoomed")
            self.query(".-zoom, .-aside").remove_class("-zoom", "-aside")
            self.refresh_bars()
            return
        if self.focused is None:
            return
        panes = [node for node in self.focused.ancestors_with_self if node.has_class("pane")]
        if panes:
            panes[0].add_class("-zoom")
            for holder in self.query("#panes"):
                holder.set_class(holder not in panes[0].ancestors, "-aside")
            self.add_class("-zoomed")
            self.refresh_bars()

    # filter

    def open_filter(self) -> None:
        """Begin to type a filter."""
        box = self.query_one(FilterInput)
        box.value = self.flux.filters.get(self.AREA, "")
        box.add_class("-shown")
        box.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while typing."""
        if isinstance(event.input, FilterInput) and event.input.has_class("-shown"):
            self.set_filter(event.value)

    def on_filter_input_left(self, event: FilterInput.Left) -> None:
        """Typing is over."""
        self.query_one(FilterInput).remove_class("-shown")
        if not event.keep:
            self.set_filter("")
        self.main.focus()

    def set_filter(self, text: str) -> None:
        """Show only what passes."""
        self.flux.filters[self.AREA] = text
        self.redraw(set(Topic))
        self.refresh_bars()
