"""One styled line across the screen; parts of it can be clicked."""

from __future__ import annotations

from collections.abc import Callable

from textual.events import Click
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from flux.tui.model.text import Line, cell_width
from flux.tui.widgets.paint import Strips, paint, palette_of


class LineBar(Widget):
    """Shows what `source` returns for its width.

    Args:
        source: makes the line; asked again at every `refresh()`.
    """

    DEFAULT_CSS = """
    LineBar { height: 1; width: 1fr; }
    """
    ALLOW_SELECT = False

    class Pressed(Message):
        """A part with a target was clicked."""

        def __init__(self, target: str) -> None:
            self.target = target
            super().__init__()

    def __init__(self, source: Callable[[int], Line], *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.source = source
        self._strips = Strips(4)

    def render_line(self, y: int) -> Strip:
        """The line in the theme's styles."""
        width, base = self.size.width, self.rich_style
        line = tuple(self.source(width)) if y == 0 else ()
        return self._strips.get((line, width, base, palette_of(self)), lambda: paint(self, line, width, base=base))

    def on_click(self, event: Click) -> None:
        """Find the part under the pointer."""
        at = 0
        for span in self.source(self.size.width):
            at += cell_width(span.text)
            if event.x < at:
                if span.target:
                    self.post_message(self.Pressed(span.target))
                return
