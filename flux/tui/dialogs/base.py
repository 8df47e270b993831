"""What all dialogs have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from textual.screen import ModalScreen

from flux.tui.commands import Scope, key_label
from flux.tui.commands import in_scopes as commands_of

if TYPE_CHECKING:
    from flux.tui.app import FluxApp

Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """A dialog; `form.submit` of the command table is its method `form_submit`."""

    @property
    def flux(self) -> FluxApp:
        """The app."""
        return cast("FluxApp", self.app)

    def action_command(self, name: str) -> None:
        """Run a command of this dialog, or one that works everywhere."""
        method = getattr(self, name.replace(".", "_"), None)
        if method is None:
            self.flux.actions.run(name)
        else:
            method()

    def on_line_bar_pressed(self, event: object) -> None:
        """A key hint was clicked."""
        target = getattr(event, "target", "")
        if target:
            self.action_command(target)


def hint_text(*scopes: Scope) -> str:
    """The keys of a dialog for its lower border."""
    found = sorted((command for command in commands_of(scopes) if command.hint), key=lambda command: command.hint)
    return " · ".join(f"{key_label(command.keys[0])} {command.title}" for command in found)
