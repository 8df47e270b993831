"""What is broken: files that do not load, and how the server ended."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from flux.tui.bindings import bindings
from flux.tui.dialogs.base import Dialog, hint_text
from flux.tui.handoff import Place
from flux.tui.model.format import clock_time
from flux.tui.model.jsonlines import traceback_lines
from flux.tui.model.panes import Pane, PaneState
from flux.tui.model.text import Line, Span, clean, plain, wrap
from flux.tui.widgets.line_view import LineView, Rows
from flux.wire.models import ReloadModel


class ProblemsDialog(Dialog[None]):
    """Tracebacks of broken files, newest first, then the last words of a server that ended."""

    BINDINGS = bindings("problems")
    CSS_PATH = "problems.tcss"
    AUTO_FOCUS = "LineView"

    def compose(self) -> ComposeResult:
        """A frame and the lines."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content("Problems")
            box.border_subtitle = Content(hint_text("problems"))
            yield LineView(cursor=False, gutter=False)

    def on_mount(self) -> None:
        """Fill the view."""
        self._lines = self._server_lines()
        for reload in self.flux.store.broken():
            if self._lines:
                self._lines.append(())
            self._lines += _reload_lines(reload, max(self.app.size.width - 8, 20))
        view = self.query_one(LineView)
        view.styles.height = min(max(len(self._lines), 3), max(self.app.size.height - 6, 3))
        view.show(Rows(self._lines), Pane(PaneState.EMPTY, "Nothing is broken"))

    def _server_lines(self) -> list[Line]:
        status = self.flux.controls.server_status() if self.flux.controls else None
        if status is None or status.exit_code is None:
            return []
        head = f"The server ended with exit code {status.exit_code}"
        now = {"running": "it runs again", "restarting": "it is being restarted", "starting": "it is starting again"}
        tail = now.get(status.state, "ctrl+x starts it")
        lines: list[Line] = [(Span(head, "bad bold"), Span(f" · {tail}", "dim"))]
        if status.reason:
            lines.append((Span(clean(status.reason), "bad"),))
        if status.output:
            lines += [(), (Span("Its last lines", "dim"),), *((Span(clean(row)),) for row in status.output)]
        return lines

    def problems_editor(self) -> None:
        """Open the editor at the newest broken file."""
        broken = self.flux.store.broken()
        if broken:
            self.flux.actions.edit(Place(broken[0].path, broken[0].line))

    def problems_reload(self) -> None:
        """Check the files again."""
        self.dismiss(None)
        self.flux.actions.run("reload.now")

    def problems_restart(self) -> None:
        """Start the server again."""
        self.dismiss(None)
        self.flux.actions.run("server.restart")

    def viewer_close(self) -> None:
        """Back."""
        self.dismiss(None)

    def viewer_copy(self) -> None:
        """Copy the text."""
        self.flux.actions.copy_text("\n".join(plain(line) for line in self._lines), "the traceback")
        self.dismiss(None)


def _reload_lines(reload: ReloadModel, width: int) -> list[Line]:
    place = f"{reload.path}:{reload.line}" if reload.line else reload.path
    serving = f" · still running {reload.serving}" if reload.serving else ""
    lines: list[Line] = [
        (Span(f"✗ {clean(place)}", "bad bold"), Span(f"  {clock_time(reload.time)}{clean(serving)}", "dim"))
    ]
    lines += [(Span(row, "bad"),) for row in wrap(reload.error, width)]
    if reload.traceback.strip():
        lines += [(), *traceback_lines(reload.traceback)]
    return lines
