"""From the model's lines to the terminal's strips."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from flux.tui.model.text import Line
from flux.tui.theme import Palette

if TYPE_CHECKING:
    from flux.tui.app import FluxApp


def palette_of(widget: Widget) -> Palette:
    """The styles of the current theme."""
    return cast("FluxApp", widget.app).palette


def paint(widget: Widget, line: Line, width: int, *, extra: Style | None = None, shift: int = 0) -> Strip:
    """A strip of exactly `width` cells; a line that goes on beyond it ends in `…`.

    Args:
        extra: laid over every part (the cursor's row, dimming).
        shift: columns scrolled to the right.
    """
    palette = palette_of(widget)
    base = widget.rich_style + extra if extra else widget.rich_style
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
