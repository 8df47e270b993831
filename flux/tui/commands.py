# ruff: noqa: E501 (one row of the table is one line)
"""Every key of the dashboard, in one table.

The footer, `?`, the palette and the bindings of all screens and dialogs are made from it. A command
says itself when it makes sense, and which command line or HTTP call does the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from flux.codec import HIDDEN
from flux.domain.events import ExecutionState, WaitKind
from flux.tui.model import equivalents
from flux.tui.model.equivalents import Equivalent
from flux.tui.model.format import ref_of
from flux.wire.models import ExecutionSummary, PendingWaitModel, WorkflowSummary

Scope = Literal[
    "app",
    "rows",
    "executions",
    "waiting",
    "workflows",
    "logs",
    "form",
    "confirm",
    "problems",
    "viewer",
    "copy",
    "filter",
]
AREAS: tuple[tuple[Scope, str], ...] = (
    ("executions", "Executions"),
    ("waiting", "Waiting"),
    ("workflows", "Workflows"),
    ("logs", "Logs"),
)
"""The areas in the order of their number keys."""


@dataclass(frozen=True, slots=True)
class Context:
    """What is selected and how things stand: all a command may ask about.

    Attributes:
        execution: selected, or the one whose wait is selected.
        attached: the server belongs to somebody else (`flux top`).
    """

    area: Scope = "executions"
    connected: bool = True
    attached: bool = False
    execution: ExecutionSummary | None = None
    wait: PendingWaitModel | None = None
    workflow: WorkflowSummary | None = None
    waits: tuple[PendingWaitModel, ...] = ()
    has_problem: bool = False
    has_place: bool = False
    filtered: bool = False
    paused: bool = False
    detail_open: bool = False
    running: int = 0


def _always(_: Context) -> str:
    return ""


def _nothing(_: Context) -> Equivalent | None:
    return None


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that can be done.

    Attributes:
        keys: as Textual names them; the first is shown.
        help: a whole sentence.
        scopes: where its keys work.
        when: "" if it makes sense now, else the reason why not.
        equals: the same by command line and HTTP, or None where it only concerns the view.
        hint: place in the footer, lower first; 0 keeps it out.
        quiet: not in the footer while it makes no sense.
    """

    id: str
    title: str
    keys: tuple[str, ...]
    help: str
    group: str
    scopes: frozenset[Scope]
    when: Callable[[Context], str] = _always
    equals: Callable[[Context], Equivalent | None] = _nothing
    hint: int = 0
    mutates: bool = False
    quiet: bool = False


def _online(context: Context) -> str:
    return "" if context.connected else "the server does not answer"


def _has_execution(context: Context) -> str:
    return "" if context.execution else "no execution is selected"


def _can_cancel(context: Context) -> str:
    if reason := _has_execution(context) or _online(context):
        return reason
    assert context.execution is not None
    if context.execution.state.is_terminal:
        return "the execution is finished"
    return "it is being cancelled already" if context.execution.state is ExecutionState.CANCELLING else ""


def _can_resume(context: Context) -> str:
    if reason := _has_execution(context) or _online(context):
        return reason
    if context.wait is not None:
        return _can_answer(context.wait)
    reasons = [_can_answer(wait) for wait in context.waits]
    if not reasons:
        return "the execution does not wait for an answer"
    return "" if "" in reasons else reasons[0]


def _can_answer(wait: PendingWaitModel) -> str:
    if wait.kind is WaitKind.DIVERGENCE:
        return "its code left the recorded path: no answer ends that"
    if wait.kind is not WaitKind.INPUT:
        return "it goes on by itself"
    return "it has been answered" if wait.answered else ""


def _can_rerun(context: Context) -> str:
    if context.execution is not None and context.execution.input == HIDDEN:
        return "its input contains a secret, which is not shown here: run the workflow anew"
    return _has_execution(context) or _online(context)


def _can_run(context: Context) -> str:
    return _online(context) if context.workflow else "no workflow is selected"


def _has_selection(context: Context) -> str:
    return "" if context.execution or context.wait or context.workflow else "nothing is selected"


def _owned(context: Context) -> str:
    return "this dashboard is attached to somebody else's server" if context.attached else ""


def _eq_cancel(context: Context) -> Equivalent | None:
    return equivalents.cancel(context.execution.execution_id) if context.execution else None


def _eq_resume(context: Context) -> Equivalent | None:
    if context.execution is None:
        return None
    wait = context.wait or next(iter(context.waits), None)
    return equivalents.resume(context.execution.execution_id, None, wait.name if wait else "")


def _eq_rerun(context: Context) -> Equivalent | None:
    execution = context.execution
    return equivalents.run(ref_of(execution.namespace, execution.workflow), execution.input) if execution else None


def _eq_run(context: Context) -> Equivalent | None:
    workflow = context.workflow
    return equivalents.run(ref_of(workflow.namespace, workflow.name), None) if workflow else None


_APP: frozenset[Scope] = frozenset({"app"})
_ROWS: frozenset[Scope] = frozenset({"rows"})
_RUNS: frozenset[Scope] = frozenset({"executions", "waiting"})
_EXECUTIONS: frozenset[Scope] = frozenset({"executions"})
_WAITING: frozenset[Scope] = frozenset({"waiting"})
_FORM: frozenset[Scope] = frozenset({"form"})

COMMANDS: tuple[Command, ...] = (
    # on what is selected
    Command("execution.open", "Open", ("enter",), "Show the execution's events, values, timeline and output.", "Execution", _EXECUTIONS, _has_execution, lambda c: equivalents.show(c.execution.execution_id) if c.execution else None, 1),
    Command("wait.answer", "Answer", ("enter",), "Fill in the form of what is waited for.", "Execution", _WAITING, _can_resume, _eq_resume, 1, True),
    Command("wait.execution", "Execution", ("x",), "Show the execution that waits.", "Execution", _WAITING, _has_execution, hint=4),
    Command("execution.resume", "Resume", ("r",), "Answer what the execution waits for.", "Execution", _RUNS, _can_resume, _eq_resume, 2, True),
    Command("execution.cancel", "Cancel", ("c",), "Stop the execution, after asking.", "Execution", _RUNS, _can_cancel, _eq_cancel, 3, True),
    Command("execution.rerun", "Rerun", ("R",), "Start the workflow again with the same input.", "Execution", _EXECUTIONS, _can_rerun, _eq_rerun, 4, True),
    Command("execution.edit", "Edit", ("e",), "Change the input, then start the workflow again.", "Execution", _EXECUTIONS, _can_rerun, _eq_rerun, 5, True),
    Command("detail.next", "Next tab", ("right_square_bracket",), "Events, Input/Output, Timeline, Logs.", "Execution", _EXECUTIONS, hint=7),
    Command("detail.previous", "Previous tab", ("left_square_bracket",), "The tab before.", "Execution", _EXECUTIONS),
    Command("detail.timeline", "Timeline", ("t",), "Show the execution's calls over time.", "Execution", _EXECUTIONS, _has_execution),
    Command("workflow.run", "Run", ("enter",), "Start the workflow; a form asks for its input.", "Workflow", frozenset({"workflows"}), _can_run, _eq_run, 1, True),
    Command("workflow.source", "Source", ("v",), "Read the source of the current version.", "Workflow", frozenset({"workflows"}), _can_run, hint=2),
    Command("log.open", "Open", ("enter",), "Show the line in full, and go to its execution.", "Logs", frozenset({"logs"}), hint=1),
    # the view
    Command("view.follow", "Follow", ("f",), "Keep the newest in sight.", "View", frozenset({"executions", "logs"}), hint=8),
    Command("view.pause", "Pause view", ("space",), "Freeze what is shown; nothing is lost meanwhile.", "View", _APP, hint=12),
    Command("view.filter", "Filter", ("slash",), "Words that must appear, and state:failed,paused.", "View", _APP, hint=6),
    Command("view.zoom", "Zoom", ("z",), "Give the pane the whole screen, and back.", "View", _APP, hint=13),
    Command("view.stream", "Stream", ("s",), "Leave the screen and print plain lines, for copying and scrolling back.", "View", _APP, hint=9),
    Command("view.refresh", "Refresh", ("ctrl+l",), "Ask the server for everything again.", "View", _APP),
    Command("view.back", "Back", ("escape",), "Close the detail, or clear the filter.", "View", _APP),
    Command("pane.next", "Next pane", ("tab",), "Go to the next pane.", "View", _APP),
    Command("pane.previous", "Previous pane", ("shift+tab",), "Go to the pane before.", "View", _APP),
    # everywhere
    Command("copy.menu", "Copy", ("y",), "Copy an id, a value, the command line or the curl call.", "Everywhere", _APP, hint=10),
    Command("problems.open", "Problems", ("exclamation_mark",), "Show the traceback of a broken file, or how the server ended.", "Everywhere", _APP, lambda c: "" if c.has_problem else "nothing is broken", hint=1, quiet=True),
    Command("editor.open", "Editor", ("o",), "Open $EDITOR at the line in question.", "Everywhere", _APP, lambda c: "" if c.has_place else "no file to open here"),
    Command("reload.now", "Reload", ("ctrl+r",), "Check all watched files now.", "Everywhere", _APP, _owned),
    Command("server.restart", "Restart server", ("ctrl+x",), "Stop the server process and start it again.", "Everywhere", _APP, _owned),
    Command("palette.open", "Palette", ("colon", "ctrl+p"), "Find anything by name.", "Everywhere", _APP, hint=15),
    Command("help.open", "Keys", ("question_mark",), "The keys that work here.", "Everywhere", _APP, hint=14),
    *(
        Command(f"area.{name}", title, (str(number),), f"Go to {title}.", "Areas", _APP)
        for number, (name, title) in enumerate(AREAS, 1)
    ),
    Command("app.quit", "Quit", ("q", "ctrl+q"), "Leave; asks if something runs in this server.", "Everywhere", _APP, hint=16),
    Command("app.interrupt", "Copy or quit", ("ctrl+c",), "Copy what is selected with the mouse; twice quits.", "Everywhere", _APP),
    # moving
    Command("rows.down", "Down", ("down", "j"), "One line down.", "Moving", _ROWS),
    Command("rows.up", "Up", ("up", "k"), "One line up.", "Moving", _ROWS),
    Command("rows.page_down", "Page down", ("pagedown", "ctrl+d"), "One page down.", "Moving", _ROWS),
    Command("rows.page_up", "Page up", ("pageup", "ctrl+u"), "One page up.", "Moving", _ROWS),
    Command("rows.first", "First", ("home", "g"), "To the first line.", "Moving", _ROWS),
    Command("rows.last", "Last", ("end", "G"), "To the last line; follows where lines arrive there.", "Moving", _ROWS),
    Command("rows.left", "Left", ("left", "h"), "Scroll to the left.", "Moving", _ROWS),
    Command("rows.right", "Right", ("right", "l"), "Scroll to the right.", "Moving", _ROWS),
    # dialogs
    Command("form.submit", "Submit", ("ctrl+s",), "Send the value.", "Form", _FORM, hint=1),
    Command("form.raw", "Raw JSON", ("ctrl+t",), "Switch between the fields and raw JSON; values are kept.", "Form", _FORM, hint=2),
    Command("form.previous", "Last inputs", ("ctrl+y",), "Fill in an input used before.", "Form", _FORM, hint=3),
    Command("form.close", "Back", ("escape",), "Close; what was typed is kept for the next time.", "Form", _FORM, hint=4),
    Command("confirm.yes", "Yes", ("y",), "Do it.", "Question", frozenset({"confirm"})),
    Command("confirm.no", "No", ("n", "escape"), "Do not.", "Question", frozenset({"confirm"})),
    Command("problems.editor", "Editor", ("o",), "Open $EDITOR at the line.", "Problems", frozenset({"problems"}), lambda c: "" if c.has_place else "no file to open", hint=1),
    Command("problems.reload", "Reload", ("ctrl+r",), "Check the files again.", "Problems", frozenset({"problems"}), _owned, hint=2),
    Command("problems.restart", "Restart server", ("ctrl+x",), "Start the server again.", "Problems", frozenset({"problems"}), _owned, hint=3),
    Command("viewer.close", "Close", ("escape", "q"), "Back.", "Viewer", frozenset({"problems", "viewer", "copy"}), hint=9),
    Command("viewer.copy", "Copy", ("y",), "Copy the text.", "Viewer", frozenset({"viewer", "problems"}), hint=4),
    Command("viewer.go", "Go to execution", ("enter",), "Show the execution it belongs to.", "Viewer", frozenset({"viewer"})),
    Command("copy.take", "Copy", ("enter",), "Copy the chosen text.", "Copy", frozenset({"copy"}), hint=1),
    Command("filter.apply", "Apply", ("enter",), "Keep the filter and go back to the list.", "Filter", frozenset({"filter"})),
    Command("filter.clear", "Clear", ("escape",), "Drop the filter.", "Filter", frozenset({"filter"})),
)  # fmt: skip

BY_ID = {command.id: command for command in COMMANDS}

SCREENS: dict[str, tuple[Scope, ...]] = {
    **{name: ("app", "rows", name) for name, _ in AREAS},
    "form": ("form",),
    "confirm": ("confirm",),
    "problems": ("problems", "rows"),
    "viewer": ("viewer", "rows"),
    "copy": ("copy", "rows"),
    "filter": ("filter",),
}
"""Which scopes are in force together: no two of their commands may share a key."""

_SHOWN = {
    "slash": "/",
    "question_mark": "?",
    "exclamation_mark": "!",
    "colon": ":",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "enter": "⏎",
    "escape": "esc",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
}


def key_label(key: str) -> str:
    """A key as people write it.

    Example:
        >>> key_label("question_mark"), key_label("ctrl+p")
        ('?', 'ctrl+p')
    """
    return _SHOWN.get(key, key)


def in_scopes(scopes: Iterable[Scope]) -> list[Command]:
    """The commands of some scopes, in the order of the table."""
    wanted = set(scopes)
    return [command for command in COMMANDS if command.scopes & wanted]


def hints(scopes: Sequence[Scope], context: Context) -> list[tuple[Command, bool]]:
    """Commands for the footer in order, each with whether it makes sense now."""
    found = [command for command in in_scopes(scopes) if command.hint]
    found.sort(key=lambda command: command.hint)
    judged = [(command, not command.when(context)) for command in found]
    return [(command, possible) for command, possible in judged if possible or not command.quiet]


def clashes(scopes: Iterable[Scope]) -> list[tuple[str, str, str]]:
    """Keys used twice among the scopes: (key, command, command)."""
    seen: dict[str, str] = {}
    found: list[tuple[str, str, str]] = []
    for command in in_scopes(scopes):
        for key in command.keys:
            if key in seen:
                found.append((key, seen[key], command.id))
            seen.setdefault(key, command.id)
    return found
