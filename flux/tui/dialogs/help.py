"""The keys that work here."""

from __future__ import annotations

from flux.tui.commands import SCREENS, Command, Context, in_scopes, key_label
from flux.tui.dialogs.viewer import ViewerDialog
from flux.tui.model.format import STATES
from flux.tui.model.text import Line, Span, cell_width, fit


def help_dialog(context: Context) -> ViewerDialog:
    """A dialog with all commands of the area, by group; those that make no sense now are dim."""
    return ViewerDialog("Keys", help_lines(context))


def help_lines(context: Context) -> list[Line]:
    """The lines of the help."""
    groups: dict[str, list[Command]] = {}
    for command in in_scopes(SCREENS[context.area]):
        groups.setdefault(command.group, []).append(command)
    widest = max(cell_width(_keys(command)) for commands in groups.values() for command in commands)
    lines: list[Line] = []
    for group, commands in groups.items():
        if lines:
            lines.append(())
        lines.append((Span(group, "title"),))
        for command in commands:
            reason = command.when(context)
            lines.append(
                (
                    Span("  " + fit(_keys(command), widest + 2), "dim" if reason else "accent bold"),
                    Span(fit(command.title, 15), "dim" if reason else "bold"),
                    Span(command.help, "dim" if reason else ""),
                    Span(f"  ({reason})" if reason else "", "dim"),
                )
            )
    seen = {value[:2]: value for value in STATES.values()}
    legend: list[Span] = [Span("  ")]
    for glyph, word, style in seen.values():
        legend.append(Span(f"{glyph} {word}  ", style))
    return [*lines, (), (Span("States", "title"),), tuple(legend)]


def _keys(command: Command) -> str:
    return ", ".join(key_label(key) for key in command.keys)
