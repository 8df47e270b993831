"""From the model's lines to the terminal's strips."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, cast

from rich.segment import Segment
from rich.style import Style
from textual.cache import LRUCache
from textual.strip import Strip
from textual.widget import Widget

from flux.tui.model.text import Line
from flux.tui.theme import Palette

if TYPE_CHECKING:
    from flux.tui.app import FluxApp


class Strips:
    """Strips made before: from one repaint to the next most lines stay what they are.

    Textual keeps with each strip what it has made of it, so the same one saves it work too.
    """

    def __init__(self, size: int = 500) -> None:
        self._made: LRUCache[Hashable, Strip] = LRUCache(size)

    def get(self, look: Hashable, make: Callable[[], Strip]) -> Strip:
        """The strip that looks like this.

        Args:
            look: all that it depends on.
        """
        strip = self._made.get(look)
        if strip is None:
            strip = self._made[look] = make()
        return strip


def palette_of(widget: Widget) -> Palette:
    """The styles of the current theme."""
    return cast("FluxApp", widget.app).palette


def paint(
    widget: Widget,
    line: Line,
    width: int,
    *,
    base: Style | None = None,
    extra: Style | None = None,
    shift: int = 0,
) -> Strip:
    """A strip of exactly `width` cells; a line that goes on beyond it ends in `…`.

    Args:
        base: what the widget's lines stand on, if that is known already.
        extra: laid over every part (the cursor's row, dimming).
        shift: columns scrolled to the right.
    """
    palette = palette_of(widget)
    base = widget.rich_style if base is None else base
    if extra:
        base += extra
    segments: list[Segment] = []
    for span in line:
        style = base + palette[span.style] if span.style else base
        if extra and extra.dim:
            style += extra
        segments.append(Segment(span.text, style))
    strip = Strip(segments)
    end = shift + width
    if width > 1 and strip.cell_length > end and strip.crop(end - 1).text.strip():
        return Strip([*strip.crop_extend(shift, end - 1, base), Segment("…", base)], width)
    return strip.crop_extend(shift, end, base)
