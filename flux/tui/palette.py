"""The palette: every command of the table, and things to go to, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.markup import escape
from textual.style import Style

from flux.tui.commands import SCREENS, in_scopes, key_label
from flux.tui.model.format import ref_of, short_id, state_text, workflow_label

if TYPE_CHECKING:
    from flux.tui.app import FluxApp

_RECENT = 50
Entry = tuple[str, str, Callable[[], None]]


class FluxCommands(Provider):
    """Commands that make sense here, workflows to run, executions to show."""

    def entries(self) -> list[Entry]:
        """Title, help and what it does."""
        app = cast("FluxApp", self.app)
        context = app.context()
        found: list[Entry] = []
        for command in in_scopes(SCREENS[context.area]):
            if "rows" in command.scopes or command.id == "palette.open" or command.when(context):
                continue
            keys = "  ".join(key_label(key) for key in command.keys)
            found.append((f"{command.title}  ({keys})", command.help, partial(app.actions.run, command.id)))
        for workflow in app.store.workflows.values():
            ref = ref_of(workflow.namespace, workflow.name)
            label = f"Run {workflow_label(ref, workflow.version)}"
            found.append((label, workflow.description, partial(app.actions.run_by_name, ref)))
        for _, execution_id in app.store.order[:_RECENT]:
            execution = app.store.executions[execution_id]
            ref = workflow_label(ref_of(execution.namespace, execution.workflow), execution.version)
            label = f"Show {short_id(execution_id)} {ref} {state_text(execution.state)}"
            found.append((label, execution_id, partial(app.actions.show_execution, execution_id)))
        return found

    async def discover(self) -> Hits:
        """Everything, before something is typed."""
        for title, help_text, run in self.entries():
            yield DiscoveryHit(Content(title), run, text=title, help=escape(help_text))

    async def search(self, query: str) -> Hits:
        """What matches."""
        matcher = self.matcher(query)
        for title, help_text, run in self.entries():
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, _marked(title, query), run, text=title, help=escape(help_text))


def _marked(title: str, query: str) -> Content:
    at = title.lower().find(query.lower())
    content = Content(title)
    return content.stylize(Style(bold=True, underline=True), at, at + len(query)) if at >= 0 else content


def open_palette(app: FluxApp) -> None:
    """Show the palette over the current screen."""
    app.push_screen(CommandPalette(providers=[FluxCommands], placeholder="Run, show, go to …"))
