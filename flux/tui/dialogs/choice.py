"""One of several, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from flux.tui.bindings import bindings
from flux.tui.dialogs.base import Dialog, hint_text
from flux.tui.model.panes import Pane, PaneState
from flux.tui.model.text import Span, clean, fit
from flux.tui.widgets.line_view import LineView, Rows


class ChoiceDialog(Dialog[Any]):
    """Answers the value of the chosen option, or None.

    Args:
        options: (label, value); where the value is text, its beginning is shown.
    """

    BINDINGS = bindings("copy")
    CSS_PATH = "viewer.tcss"
    AUTO_FOCUS = "LineView"

    def __init__(self, title: str, options: Sequence[tuple[str, Any]]) -> None:
        super().__init__()
        self._title, self._options = title, list(options)

    def compose(self) -> ComposeResult:
        """The options, one line each."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = Content(hint_text("copy").replace("Copy", "Take"))
            yield LineView()

    def on_mount(self) -> None:
        """Fill the list."""
        view = self.query_one(LineView)
        view.styles.height = min(max(len(self._options), 1), max(self.app.size.height - 6, 3))
        view.show(Rows(self._options, _line), Pane(PaneState.EMPTY, "Nothing to choose"))

    def on_line_view_opened(self) -> None:
        """Clicked twice."""
        self.copy_take()

    def copy_take(self) -> None:
        """Answer the option under the cursor."""
        item = self.query_one(LineView).item
        self.dismiss(item[1] if item else None)

    def viewer_close(self) -> None:
        """Answer nothing."""
        self.dismiss(None)


def _line(option: tuple[str, Any], width: int) -> tuple[Span, ...]:
    label, value = option
    if isinstance(value, str) and value != label:
        return (Span(fit(clean(label), 16), "bold"), Span(" " + fit(clean(value[:400]), max(width - 17, 0)), "dim"))
    return (Span(fit(clean(label), width)),)
