"""What leaves the screen: the editor, the plain stream, the clipboard."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from textual.app import SuspendNotSupported

from flux.client.lines import format_live
from flux.domain.events import ExecutionState
from flux.tui.commands import Context
from flux.tui.model import equivalents
from flux.tui.model.equivalents import Equivalent
from flux.tui.model.format import ref_of
from flux.tui.model.jsonlines import json_text, last_place
from flux.tui.model.store import Store
from flux.tui.model.text import Span, plain
from flux.wire.models import ExecutionSummary, WorkflowSummary

if TYPE_CHECKING:
    from flux.tui.app import FluxApp

_BACKFILL = 200
_STREAM_TICK = 0.1
_CLIPBOARDS = (("pbcopy",), ("wl-copy",), ("xclip", "-selection", "clipboard"))


class Place(NamedTuple):
    """A line of a file."""

    path: str
    line: int


def place_of(store: Store, execution: ExecutionSummary | None, workflow: WorkflowSummary | None) -> Place | None:
    """The first broken file, else the selected workflow, else where the selected execution failed or begins."""
    broken = store.broken()
    if broken:
        return Place(broken[0].path, broken[0].line)
    if workflow is not None and workflow.path:
        return Place(workflow.path, workflow.line)
    if execution is None:
        return None
    if execution.state is ExecutionState.FAILED and isinstance(execution.output, dict):
        found = last_place(str(execution.output.get("traceback") or ""))
        if found:
            return Place(*found)
    known = store.workflows.get(ref_of(execution.namespace, execution.workflow))
    return Place(known.path, known.line) if known and known.path else None


def editor_command(place: Place) -> list[str]:
    """The user's editor at a line.

    Example:
        >>> import os; os.environ["VISUAL"] = "nano"
        >>> editor_command(Place("shop.py", 41))
        ['nano', '+41', 'shop.py']
    """
    words = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "") or [shutil.which("nano") or "vi"]
    if Path(words[0]).name in ("code", "cursor", "codium", "windsurf"):
        return [*words, "--wait", "--goto", f"{place.path}:{max(place.line, 1)}"]
    if Path(words[0]).name in ("subl", "zed", "hx", "helix"):
        return [*words, f"{place.path}:{max(place.line, 1)}"]
    return [*words, f"+{max(place.line, 1)}", place.path]


class Handoff:
    """Mixin of `Actions`."""

    app: FluxApp
    work: Callable[[Coroutine[Any, Any, None]], None]

    # the editor

    def editor_open(self, context: Context) -> None:
        """`$EDITOR` at the line in question."""
        place = place_of(self.app.store, context.execution, context.workflow)
        if place is not None:
            self.edit(place)

    def edit(self, place: Place) -> None:
        """Leave the screen to the editor until it ends."""
        command = editor_command(place)
        try:
            with self.app.suspend():
                subprocess.run(command, check=False, stdin=sys.__stdin__, stdout=sys.__stdout__, stderr=sys.__stderr__)
        except SuspendNotSupported:
            self.app.note(Span("this terminal cannot be left to an editor", "bad"))
        except OSError as problem:
            self.app.note(Span(f"✗ {command[0]}: {problem.strerror}. Set $EDITOR.", "bad"))

    # the stream

    async def view_stream(self, _: Context) -> None:
        """Plain lines on the ordinary screen until s, q or Enter; what came before is printed first."""
        app = self.app
        try:
            with app.batch_update(), app.suspend():
                await self._stream()
        except SuspendNotSupported:
            app.note(Span("this terminal cannot be left for a stream", "bad"))
        app.refresh(layout=True)
        app.area.changed(set())

    async def _stream(self) -> None:
        store = self.app.store
        out = sys.__stdout__
        left = asyncio.Event()
        with _keys(left.set):
            at = max(store.stream.end - _BACKFILL, store.stream.start)
            print("── live from here; s, q or Enter goes back to the dashboard ──", file=out, flush=True)
            while not left.is_set():
                for message in store.stream.since(at):
                    for row in format_live(message):
                        print(row, file=out)
                at = store.stream.end
                if out is not None:
                    out.flush()
                try:
                    await asyncio.wait_for(left.wait(), _STREAM_TICK)
                except TimeoutError:
                    continue

    # the clipboard

    def copy_menu(self, context: Context) -> None:
        """Choose what to copy."""
        from flux.tui.dialogs.choice import ChoiceDialog

        options = self.copies(context)

        def chosen(text: str | None) -> None:
            if text is not None:
                self.copy_text(text, "it")

        self.app.push_screen(ChoiceDialog("Copy", [(label, text) for label, text in options]), chosen)

    def copies(self, context: Context) -> list[tuple[str, str]]:
        """What there is to copy here: (label, text)."""
        found: list[tuple[str, str]] = []
        equivalent: Equivalent | None = None
        if context.execution is not None:
            execution = context.execution
            found += [
                ("Execution id", execution.execution_id),
                ("Input", json_text(execution.input)),
                ("Output", json_text(execution.output)),
            ]
            equivalent = equivalents.show(execution.execution_id)
        if context.wait is not None:
            found.append(("What it shows", json_text(context.wait.output)))
            equivalent = equivalents.resume(context.wait.execution_id, None, context.wait.name)
        if context.workflow is not None:
            ref = ref_of(context.workflow.namespace, context.workflow.name)
            found.append(("Name", ref))
            equivalent = equivalents.run(ref, None)
        if equivalent is not None:
            found += [("Command line", equivalent.cli), ("curl", equivalent.curl(self.app.api.base_url))]
        view = self.app.area.main
        if view.item is not None:
            found.append(("This row", plain(view.rows.render(view.item, 160)).rstrip()))
        if view.rows.items:
            found.append((f"All {len(view.rows.items):,} rows", "\n".join(view.text_lines())))
        return found

    def copy_text(self, text: str, what: str) -> None:
        """To the terminal's clipboard, the desktop's, and a file, because either may be out of reach."""
        self.app.copy_to_clipboard(text)
        used = ["terminal (OSC 52)"]
        for command in _CLIPBOARDS:
            if shutil.which(command[0]) and _feed(command, text):
                used.append(command[0])
                break
        path = Path(tempfile.gettempdir()) / f"flux-copy-{os.getuid()}.txt"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
                file.write(text)
            used.append(str(path))
        except OSError:
            pass
        self.app.note(Span(f"copied {what} to ", "good"), Span(", ".join(used), ""))


def _feed(command: tuple[str, ...], text: str) -> bool:
    try:
        done = subprocess.run(
            command, input=text.encode("utf-8", "replace"), capture_output=True, timeout=1, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


class _keys:
    """While active, single keys of the terminal's input are read; s, q or Enter call `leave`."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave = leave
        self._descriptor = -1
        self._saved: list[Any] | None = None

    def __enter__(self) -> None:
        if sys.__stdin__ is None or not sys.__stdin__.isatty():
            self._leave()
            return
        import termios
        import tty

        self._descriptor = sys.__stdin__.fileno()
        self._saved = termios.tcgetattr(self._descriptor)
        tty.setcbreak(self._descriptor, termios.TCSANOW)
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def _read(self) -> None:
        keys = os.read(self._descriptor, 64)
        if not keys or any(key in b"sqSQ\r\n" for key in keys):
            self._leave()

    def __exit__(self, *_: object) -> None:
        if self._saved is None:
            return
        import termios

        asyncio.get_running_loop().remove_reader(self._descriptor)
        termios.tcsetattr(self._descriptor, termios.TCSANOW, self._saved)
