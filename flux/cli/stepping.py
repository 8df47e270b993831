"""Stepping through the events of an execution on a terminal."""

from __future__ import annotations

import asyncio
import json
import linecache
import selectors
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flux.cli.moment import clock, shown
from flux.cli.render import put
from flux.wire.divergence import place

if TYPE_CHECKING:
    from flux.wire.models import EventModel

Key = Callable[[], str]
"""Waits for a key and gives it."""

_INDENT = " " * 22


class _Idle(selectors.DefaultSelector):
    """Counts the seconds in which nothing ran."""

    seconds = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """Wait, and count."""
        begun = time.monotonic()
        try:
            return super().select(timeout)
        finally:
            self.seconds += time.monotonic() - begun


class PatientLoop(asyncio.SelectorEventLoop):
    """A loop whose time stands still while code runs: neither a key nor a breakpoint lets a timeout expire."""

    def __init__(self) -> None:
        self._idle = _Idle()
        super().__init__(self._idle)

    def time(self) -> float:
        """Seconds in which this loop had nothing to do."""
        return self._idle.seconds


class Quit(KeyboardInterrupt):
    """The person has seen enough. Like Ctrl-C it gets through whatever the replayed code does."""


class Steps:
    """Prints event after event; before each it waits for a key, if somebody steps.

    Args:
        sources: the recorded text of files, by path; other files are read if they have not been edited since.
        key: None prints everything without waiting.
    """

    def __init__(
        self, events: Sequence[EventModel], sources: Mapping[str, str] | None = None, key: Key | None = None
    ) -> None:
        self._events = list(events)
        self._lines = {path: text.splitlines() for path, text in (sources or {}).items()}
        self._key = key
        self._next = 0
        self._left = False

    def up_to(self, seq: int) -> None:
        """Show every event that is not behind `seq`. Raises `Quit`, again and again: code may have caught it."""
        if self._left:
            raise Quit
        while self._next < len(self._events) and self._events[self._next].seq <= seq:
            event = self._events[self._next]
            self._next += 1
            put(self._line(event))
            if source := self._source(event):
                put(f"{_INDENT}{source}")
            self._wait()

    def rest(self) -> None:
        """Show all that is left. Raises `Quit`."""
        self.up_to(self._events[-1].seq if self._events else 0)

    def _wait(self) -> None:
        if self._key is not None and self._next < len(self._events) and self._key() in ("q", "Q", "\x03", "\x04"):
            self._left = True
            raise Quit

    def _line(self, event: EventModel) -> str:
        where = place(event.location, Path.cwd()) if event.type == "TASK_STARTED" else ""
        return f"{event.seq:>4}  {clock(event)}  {event.type:<22} {_told(event)}{f'  {where}' if where else ''}"

    def _source(self, event: EventModel) -> str:
        """The line of the code that has made a call."""
        path, _, number = event.location.rpartition(":")
        if event.type != "TASK_STARTED" or not number.isdigit():
            return ""
        if path not in self._lines and _edited_since(path, event):
            return ""
        lines = self._lines.setdefault(path, linecache.getlines(path))
        return lines[int(number) - 1].strip() if 0 < int(number) <= len(lines) else ""


def _edited_since(path: str, event: EventModel) -> bool:
    try:
        return Path(path).stat().st_mtime > event.time.timestamp()
    except OSError:
        return True


def _told(event: EventModel) -> str:
    """A call with its arguments, or what has come of it."""
    if event.type == "TASK_STARTED" and isinstance(event.value, dict):
        return f"{event.name}({', '.join(f'{name}={_short(value)}' for name, value in event.value.items())})"
    return event.name if event.value is None else f"{event.name} → {_short(event.value)}"


def _short(value: Any) -> str:
    if isinstance(value, dict) and {"type", "message"} <= set(value):
        return f"{value['type']}: {value['message']}"
    text = value if isinstance(value, str) and not value.isprintable() else shown(value) or json.dumps(value)
    return text if len(text) <= 200 else f"{text[:199]}…"
