"""What the commands do: the view itself here, executions in `deeds`, the world outside in `handoff`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from flux.errors import FluxError
from flux.tui.commands import BY_ID, Context, Scope
from flux.tui.deeds import Deeds
from flux.tui.handoff import Handoff, Place, place_of
from flux.tui.model.text import Span
from flux.wire.models import ExecutionSummary, WorkflowSummary

if TYPE_CHECKING:
    from flux.tui.app import FluxApp


class Actions(Deeds, Handoff):
    """One method for each command: `execution.cancel` is `execution_cancel`."""

    def __init__(self, app: FluxApp) -> None:
        self.app = app
        self._interrupted = False

    def run(self, name: str) -> None:
        """Run a command if it makes sense now; else say why not."""
        command = BY_ID.get(name)
        if command is None or not self.app.screen_stack:
            return
        context = self.app.context()
        if reason := command.when(context):
            self.app.note(Span(f"{command.title}: {reason}", "dim"))
            return
        result = getattr(self, name.replace(".", "_"))(context)
        if result is not None:
            self.work(result)

    def work(self, job: Coroutine[Any, Any, None]) -> None:
        """Run something that waits; a problem is said, never raised."""

        async def guarded() -> None:
            try:
                await job
            except FluxError as problem:
                hint = f"  {problem.hint}" if problem.hint else ""
                self.app.note(Span(f"✗ {problem.message}", "bad"), Span(hint, "dim"))
            except asyncio.CancelledError:
                raise
            except Exception as problem:
                self.app.note(Span(f"✗ {type(problem).__name__}: {problem}", "bad"))

        self.app.run_worker(guarded(), exit_on_error=False)

    def place(self, execution: ExecutionSummary | None, workflow: WorkflowSummary | None) -> Place | None:
        """The file and line in question: a broken file, else the selected workflow or the failure's place."""
        return place_of(self.app.store, execution, workflow)

    # areas and panes

    def go(self, area: Scope) -> None:
        """Show an area."""
        while len(self.app.screen_stack) > 1:
            self.app.pop_screen()
        self.app.switch_mode(area)

    def area_executions(self, _: Context) -> None:
        """To area 1."""
        self.go("executions")

    def area_waiting(self, _: Context) -> None:
        """To area 2."""
        self.go("waiting")

    def area_workflows(self, _: Context) -> None:
        """To area 3."""
        self.go("workflows")

    def area_logs(self, _: Context) -> None:
        """To area 4."""
        self.go("logs")

    def pane_next(self, _: Context) -> None:
        """Focus forward."""
        self.app.area.focus_next()
        self.app.area.refresh_bars()

    def pane_previous(self, _: Context) -> None:
        """Focus backward."""
        self.app.area.focus_previous()
        self.app.area.refresh_bars()

    def view_zoom(self, _: Context) -> None:
        """One pane, or all."""
        self.app.area.zoom()

    def view_filter(self, _: Context) -> None:
        """Type a filter."""
        self.app.area.open_filter()

    def view_pause(self, _: Context) -> None:
        """Freeze or thaw."""
        self.app.toggle_freeze()

    def view_follow(self, _: Context) -> None:
        """Follow the newest or not."""
        view = self.app.area.main
        view.set_follow(not view.follow)
        self.app.area.moved()
        self.app.area.refresh_bars()

    def view_refresh(self, _: Context) -> None:
        """Ask for all lists again."""
        self.app.feed.later("all", self.app.feed.load_all)

    def view_back(self, _: Context) -> None:
        """Close what is open, else clear the filter, else thaw."""
        from flux.tui.screens.executions import ExecutionsScreen

        area = self.app.area
        if area.has_class("-zoomed"):
            area.zoom()
        elif isinstance(area, ExecutionsScreen) and area.close_detail():
            area.refresh_bars()
        elif self.app.filters.get(area.AREA):
            area.set_filter("")
        elif self.app.frozen_at is not None:
            self.app.toggle_freeze()

    def detail_next(self, context: Context) -> None:
        """Turn to the next tab."""
        self._tabs(1)

    def detail_previous(self, context: Context) -> None:
        """Turn to the tab before."""
        self._tabs(-1)

    def _tabs(self, step: int) -> None:
        from flux.tui.screens.executions import ExecutionsScreen

        area = self.app.area
        if isinstance(area, ExecutionsScreen):
            if not area.detail.display:
                area.open_detail()
            else:
                area.detail.turn(step)

    def detail_timeline(self, context: Context) -> None:
        """The timeline, or back to the events."""
        from flux.tui.screens.executions import ExecutionsScreen

        area = self.app.area
        if isinstance(area, ExecutionsScreen):
            if not area.detail.display:
                area.open_detail()
            area.detail.choose("events" if area.detail.tab == "timeline" else "timeline")

    # overlays

    def palette_open(self, _: Context) -> None:
        """Find anything by name."""
        from flux.tui.palette import open_palette

        open_palette(self.app)

    def help_open(self, context: Context) -> None:
        """The keys that work here."""
        from flux.tui.dialogs.help import help_dialog

        self.app.push_screen(help_dialog(context))

    def problems_open(self, _: Context) -> None:
        """Broken files, or the server's end."""
        from flux.tui.dialogs.problems import ProblemsDialog

        self.app.push_screen(ProblemsDialog())

    # leaving

    def app_quit(self, context: Context) -> None:
        """Leave, after asking where something would stop."""
        from flux.tui.dialogs.confirm import ConfirmDialog

        if context.attached or not context.running or isinstance(self.app.screen, ConfirmDialog):
            self.app.exit()
            return
        many = "executions run" if context.running > 1 else "execution runs"
        question = [
            f"{context.running} {many} in this server.",
            "Recorded steps are kept; they go on when it starts again.",
        ]
        self.app.push_screen(
            ConfirmDialog("Quit flux dev?", question, yes="Quit", no="Stay"),
            lambda yes: self.app.exit() if yes else None,
        )

    def app_interrupt(self, _: Context) -> None:
        """Copy what the mouse has marked; twice in a row without a mark quits."""
        if text := self.app.screen.get_selected_text():
            self.copy_text(text, "the marked text")
            return
        if self._interrupted:
            self.app.exit()
            return
        self._interrupted = True
        self.app.soon(2.0, self._forget_interrupt)
        self.app.note(Span("ctrl+c again quits"), seconds=2.0)

    def _forget_interrupt(self) -> None:
        self._interrupted = False
