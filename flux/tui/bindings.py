"""Bindings of Textual made from the command table."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from flux.tui.commands import Scope, in_scopes


def bindings(*scopes: Scope, priority: bool = False) -> list[BindingType]:
    """The keys of some scopes; each runs `action_command` with the command's id."""
    return [
        Binding(key, f"command('{command.id}')", command.title, show=False, priority=priority, tooltip=command.help)
        for command in in_scopes(scopes)
        for key in command.keys
    ]
