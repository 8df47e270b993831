"""Lines to read: an event, a log line, source, the keys."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from flux.tui.bindings import bindings
from flux.tui.dialogs.base import Dialog, hint_text
from flux.tui.model.panes import Pane, PaneState
from flux.tui.model.text import Line, Span, plain, wrap
from flux.tui.widgets.line_view import LineView, Rows


class ViewerDialog(Dialog[None]):
    """A scrolling view over the area.

    Args:
        execution: id that Enter goes to, or "".
        wrapped: break long lines (they lose their colours).
        at: line to begin with.
    """

    BINDINGS = bindings("viewer")
    CSS_PATH = "viewer.tcss"
    AUTO_FOCUS = "LineView"

    def __init__(
        self, title: str, lines: Sequence[Line], *, execution: str = "", wrapped: bool = False, at: int = 0
    ) -> None:
        super().__init__()
        self._title, self._lines, self._execution, self._wrapped, self._at = title, list(lines), execution, wrapped, at

    def compose(self) -> ComposeResult:
        """A frame and the lines."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            go = " · ⏎ Go to execution" if self._execution else ""
            box.border_subtitle = Content(hint_text("viewer") + go)
            yield LineView(cursor=False, gutter=False)

    def on_mount(self) -> None:
        """Fill the view."""
        self.show_lines()
        if self._at > 3:
            self.call_after_refresh(lambda: self.query_one(LineView).scroll_to(y=self._at - 3, animate=False))

    def on_resize(self) -> None:
        """Break lines anew."""
        if self._wrapped:
            self.show_lines()

    def show_lines(self) -> None:
        """The lines, broken where asked for."""
        view = self.query_one(LineView)
        lines = self._lines
        width = view.size.width - 1  # a scrollbar may come
        if self._wrapped and width > 10:
            lines = [
                part
                for line in lines
                for part in (
                    [line] if len(plain(line)) <= width else [(Span(row),) for row in wrap(plain(line), width)]
                )
            ]
        view.styles.height = min(max(len(lines), 3), max(self.app.size.height - 6, 3))
        view.show(Rows(lines), Pane(PaneState.EMPTY, ""))

    def viewer_close(self) -> None:
        """Back."""
        self.dismiss(None)

    def viewer_copy(self) -> None:
        """Copy the text."""
        self.flux.actions.copy_text("\n".join(plain(line) for line in self._lines), "the text")
        self.dismiss(None)

    def viewer_go(self) -> None:
        """To the execution."""
        if self._execution:
            self.dismiss(None)
            self.flux.actions.show_execution(self._execution)
