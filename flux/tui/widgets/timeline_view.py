"""The timeline of an execution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from flux.tui.model.panes import Pane, PaneState
from flux.tui.model.text import Line
from flux.tui.model.timeline import lanes
from flux.tui.widgets.line_view import LineView, Rows
from flux.wire.models import EventModel


class TimelineView(LineView):
    """Lanes of calls; grows while the execution runs.

    Args:
        now: what time it is on the screen.
    """

    def __init__(self, now: Callable[[], datetime], *, id: str | None = None) -> None:
        super().__init__(cursor=False, id=id)
        self._now = now
        self._events: Sequence[EventModel] = ()

    def show_events(self, events: Sequence[EventModel], empty: str) -> None:
        """Show the lanes of a history."""
        self._events = events
        self.pane = Pane(PaneState.EMPTY, empty)
        self.redraw()

    def redraw(self) -> None:
        """Lay the lanes out anew for the width and the time."""
        lines: list[Line] = lanes(self._events, self.size.width - 2, self._now()) if self.size.width else []
        self.show(Rows(lines))

    def on_resize(self) -> None:
        """Another width has other lanes."""
        self.redraw()
