"""A question with two answers; the safe one has the focus."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Static

from flux.tui.bindings import bindings
from flux.tui.dialogs.base import Dialog


class ConfirmDialog(Dialog[bool]):
    """Answers True only on `y` or the button of the deed.

    Args:
        yes: label of the deed's button.
        no: label of the safe button.
    """

    BINDINGS = bindings("confirm")
    CSS_PATH = "confirm.tcss"

    def __init__(self, title: str, lines: Sequence[str], *, yes: str, no: str) -> None:
        super().__init__()
        self._title, self._lines, self._yes, self._no = title, lines, yes, no

    def compose(self) -> ComposeResult:
        """The question and two buttons."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            for row in self._lines:
                yield Static(row, markup=False, classes="line")
            with Horizontal(id="buttons"):
                yield Button(Content(f"{self._no} (n)"), id="no", compact=True)
                yield Button(Content(f"{self._yes} (y)"), id="yes", compact=True, variant="error")

    def on_mount(self) -> None:
        """Nothing happens by a careless Enter."""
        self.query_one("#no", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(event.button.id == "yes")

    def confirm_yes(self) -> None:
        """Do it."""
        self.dismiss(True)

    def confirm_no(self) -> None:
        """Leave it."""
        self.dismiss(False)
