"""A list of lines drawn one by one: as fast with fifty thousand as with fifty.

It keeps the selected item by its key and the line under the eye in place while lines come and go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Literal

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from flux.tui.bindings import bindings
from flux.tui.model.panes import Pane, PaneState
from flux.tui.model.text import Line, Span, fit, plain, wrap
from flux.tui.widgets.paint import Strips, paint, palette_of

Edge = Literal["", "first", "last"]

_NEAR = 100
"""Items among which one is looked for before all of them are numbered: it mostly stands near the top."""


@dataclass(slots=True)
class Rows:
    """What a view shows.

    Attributes:
        items: the things, one line each.
        render: makes the line of a thing for a width.
        key: tells things apart; None where positions never change.
        offset: number of the first item, where items fall off the front.
    """

    items: Sequence[Any] = ()
    render: Callable[[Any, int], Line] = lambda item, width: item
    key: Callable[[Any], str] | None = None
    offset: int = 0
    _places: dict[str, int] = field(default_factory=dict)

    def identity(self, index: int) -> str:
        """Key of the item at a place."""
        return self.key(self.items[index]) if self.key else str(self.offset + index)

    def index(self, identity: str) -> int | None:
        """Place of an item, or None when it is gone."""
        if self.key is None:
            place = int(identity) - self.offset if identity else -1
            return place if 0 <= place < len(self.items) else None
        for place, item in enumerate(islice(self.items, _NEAR)):
            if self.key(item) == identity:
                return place
        if not self._places and self.items:
            self._places = {self.key(item): place for place, item in enumerate(self.items)}
        return self._places.get(identity)


class LineView(ScrollView, can_focus=True):
    """Lines with a cursor.

    Args:
        header: pinned first line for a width, or None.
        cursor: whether one line is selected; without it keys scroll.
        edge: where new lines arrive, for `follow`.
    """

    DEFAULT_CSS = """
    LineView {
        height: 1fr; width: 1fr; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; overflow-x: hidden;
        scrollbar-background: $background; scrollbar-background-hover: $background;
        scrollbar-background-active: $background; scrollbar-color: $panel-lighten-1; scrollbar-color-hover: $primary;
        scrollbar-color-active: $primary;
    }
    """
    BINDINGS = bindings("rows")

    class Moved(Message):
        """Another item is selected."""

        def __init__(self, view: LineView) -> None:
            self.view = view
            super().__init__()

        @property
        def control(self) -> LineView:
            """The view."""
            return self.view

    class Opened(Message):
        """An item was clicked twice."""

    class Followed(Message):
        """`follow` changed by moving."""

    class Bottom(Message):
        """The cursor came to the last line."""

    def __init__(
        self,
        *,
        header: Callable[[int], Line] | None = None,
        cursor: bool = True,
        edge: Edge = "",
        gutter: bool = True,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.rows = Rows()
        self.pane = Pane(PaneState.LOADING)
        self.header = header
        self.has_cursor = cursor
        self.edge: Edge = edge
        self.has_gutter = gutter
        self.follow = edge == "last"
        self.cursor = 0
        self.identity = ""
        self.shift = 0
        self._resting = edge == "first"
        self._seen = ""
        self._base = Style.null()
        self._columns = 0
        self._strips = Strips()

    # data

    def show(self, rows: Rows, pane: Pane | None = None) -> None:
        """Show other rows; the selection stays on its item."""
        before = self.cursor if self.has_cursor else round(self.scroll_offset.y)
        moved_by = rows.offset - self.rows.offset
        self.rows = rows
        if pane is not None:
            self.pane = pane
        self.virtual_size = Size(self._width, len(rows.items) + self._top)
        identity = self.identity
        if self.follow:
            self._to_edge()
        elif self._resting and not round(self.scroll_offset.y):
            self._stay_on_top()
        elif self.has_cursor:
            self._keep_cursor(before)
        elif moved_by:
            self.scroll_to(y=max(0, self.scroll_offset.y - moved_by), animate=False, force=True)
        if self.rows.index(self._seen) is None:
            self._see_top()
        self.refresh()
        if self.identity != identity:
            self.post_message(self.Moved(self))

    def _stay_on_top(self) -> None:
        """New lines are seen; the selection moves down with its item while that is in sight or being read."""
        place = self.rows.index(self.identity)
        last = max(self.size.height - self._top, 1) - 1
        self.cursor = 0 if place is None or (place > last and self.has_focus) else place
        self.identity = self.rows.identity(self.cursor) if self.rows.items else ""
        self._see_top()

    def _see_top(self) -> None:
        self._seen = self.rows.identity(0) if self.rows.items else ""

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """At the top nothing is newer than what is in sight."""
        super().watch_scroll_y(old_value, new_value)
        if not round(new_value):
            self._see_top()

    @property
    def newer(self) -> int:
        """How many lines arrived above the window since its first line was in sight."""
        if self.edge != "first" or not round(self.scroll_offset.y):
            return 0
        return self.rows.index(self._seen) or 0

    def _keep_cursor(self, before: int) -> None:
        place = self.rows.index(self.identity)
        if place is None:
            place = min(before, max(len(self.rows.items) - 1, 0))
        self.cursor = place
        self.identity = self.rows.identity(place) if self.rows.items else ""
        if place != before:
            self.scroll_to(y=max(0, self.scroll_offset.y + place - before), animate=False, force=True)
            self.call_after_refresh(self._reveal)

    @property
    def _width(self) -> int:
        """Columns there are for a line: the scrollbar takes its own."""
        return self.scrollable_content_region.width

    @property
    def _top(self) -> int:
        return 1 if self.header else 0

    @property
    def item(self) -> Any:
        """The selected thing, or None."""
        return self.rows.items[self.cursor] if self.cursor < len(self.rows.items) else None

    def select(self, identity: str) -> bool:
        """Put the cursor on an item; False when it is not there."""
        place = self.rows.index(identity)
        if place is None:
            return False
        self._move(place)
        return True

    def set_follow(self, follow: bool) -> None:
        """Keep the edge where lines arrive in sight, or not."""
        self.follow = follow and bool(self.edge)
        self._resting = self.edge == "first" and self.cursor == 0
        if self.follow:
            self._to_edge()
        self.refresh()

    def _to_edge(self) -> None:
        count = len(self.rows.items)
        self.cursor = 0 if self.edge == "first" or not count else count - 1
        self.identity = self.rows.identity(self.cursor) if count else ""
        self.scroll_to(y=0 if self.edge == "first" else count + self._top, animate=False, force=True, immediate=True)

    # moving

    def _move(self, place: int) -> None:
        count = len(self.rows.items)
        if not count:
            return
        place = min(max(place, 0), count - 1)
        if place == count - 1:
            self.post_message(self.Bottom())
        at_edge = place == (0 if self.edge == "first" else count - 1)
        if self.follow and not at_edge:
            self.follow = False
            self.post_message(self.Followed())
        self.cursor = place
        self._resting = self.edge == "first" and place == 0
        identity = self.rows.identity(place)
        self._reveal()
        self.refresh()
        if identity != self.identity:
            self.identity = identity
            self.post_message(self.Moved(self))

    def _reveal(self) -> None:
        height = max(self.size.height - self._top, 1)
        offset = round(self.scroll_offset.y)
        if self.cursor < offset:
            self.scroll_to(y=self.cursor, animate=False, force=True, immediate=True)
        elif self.cursor >= offset + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, force=True, immediate=True)

    def _step(self, lines: int) -> None:
        if self.has_cursor:
            self._move(self.cursor + lines)
        else:
            self.scroll_relative(y=lines, animate=False, force=True)

    def action_command(self, name: str) -> None:
        """Run one of the moving commands."""
        page = max(self.size.height - self._top - 1, 1)
        count = len(self.rows.items)
        match name:
            case "rows.down" | "rows.up":
                self._step(1 if name == "rows.down" else -1)
            case "rows.page_down" | "rows.page_up":
                self._step(page if name == "rows.page_down" else -page)
            case "rows.first":
                self._step(-count)
            case "rows.last":
                self._step(count)
                if self.edge == "last" and not self.follow:
                    self.set_follow(True)
                    self.post_message(self.Followed())
            case _:
                self.shift = max(0, self.shift + (16 if name == "rows.right" else -16))
                self.refresh()

    def on_click(self, event: Click) -> None:
        """Select; twice opens."""
        place = event.y - self._top + round(self.scroll_offset.y)
        if self.has_cursor and event.y >= self._top and 0 <= place < len(self.rows.items):
            self._move(place)
            if event.chain == 2:
                self.post_message(self.Opened())

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Scrolling up stops following."""
        if self.follow and self.edge == "last":
            self.follow = False
            self.post_message(self.Followed())

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Scrolling down to the end follows again."""
        if self.edge == "last" and not self.follow and self.scroll_offset.y >= self.max_scroll_y - 1:
            self.set_follow(True)
            self.post_message(self.Followed())

    def on_resize(self) -> None:
        """Another width has other lines."""
        self.virtual_size = Size(self._width, len(self.rows.items) + self._top)
        if self.follow:
            self._to_edge()
        elif self.has_cursor:
            self._reveal()

    # drawing

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of a part; what they stand on is the same for all of them, and takes long to find out."""
        self._base, self._columns = self.rich_style, self._width
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """One line of the window."""
        width = self._columns
        if self.header and y == 0:
            inner = self.header(max(width - self._gutter_width, 1))
            return paint(self, (Span(" " * self._gutter_width), *inner), width, base=self._base)
        if not self.rows.items:
            return self._message(y, width)
        index = round(self.scroll_offset.y) + y - self._top
        if index >= len(self.rows.items):
            return Strip.blank(width, self._base)
        return self._item(index, width)

    @property
    def _gutter_width(self) -> int:
        return 2 if self.has_gutter else 0

    def _item(self, index: int, width: int) -> Strip:
        selected = self.has_cursor and index == self.cursor and not (self.follow and self.edge == "last")
        line = self.rows.render(self.rows.items[index], max(width - self._gutter_width, 1))
        if self.text_selection is not None:
            return self._marked(self._painted(line, width, selected), index).apply_offsets(0, index)
        look = (tuple(line), index, width, selected, self.has_focus, self.shift, self.pane.dimmed)
        make = partial(self._painted, line, width, selected)
        return self._strips.get((*look, self._base, palette_of(self)), lambda: make().apply_offsets(0, index))

    def _painted(self, line: Line, width: int, selected: bool) -> Strip:
        extra = self._row_style(selected)
        strip = paint(self, line, max(width - self._gutter_width, 0), base=self._base, extra=extra, shift=self.shift)
        if self.has_gutter:
            mark = "▌ " if selected else "  "
            style = self._base + (extra or Style.null())
            style += palette_of(self)["accent" if self.has_focus else "dim"]
            strip = Strip([Segment(mark, style), *strip], width)
        return strip

    def _row_style(self, selected: bool) -> Style | None:
        style = Style(dim=True) if self.pane.dimmed else None
        if selected:
            colour = self.app.theme_variables.get("panel" if self.has_focus else "surface", "")
            cursor = Style(bgcolor=Color.parse(colour).rich_color) if colour.startswith("#") else Style(reverse=True)
            style = cursor + style if style else cursor
        return style

    def _marked(self, strip: Strip, index: int) -> Strip:
        selection = self.text_selection
        span = selection.get_span(index) if selection is not None else None
        if span is None:
            return strip
        start, end = span
        end = strip.cell_length if end == -1 else min(end, strip.cell_length)
        style = self.screen.get_component_rich_style("screen--selection")
        parts = strip.divide([start, end, strip.cell_length]) if start < end else [strip]
        if len(parts) < 2:
            return strip
        middle = Strip(Segment.apply_style(parts[1], post_style=style), parts[1].cell_length)
        return Strip.join([parts[0], middle, *parts[2:]])

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The text marked with the mouse."""
        width = max(self._width - self._gutter_width, 1)
        prefix = " " * self._gutter_width
        items = self.rows.items
        first = selection.start.y if selection.start else 0
        last = selection.end.y if selection.end else len(items) - 1
        rows = [prefix + plain(self.rows.render(items[n], width)) for n in range(first, min(last + 1, len(items)))]
        if not rows:
            return None
        if selection.end is not None:
            rows[-1] = rows[-1][: selection.end.x]
        if selection.start is not None:
            rows[0] = rows[0][selection.start.x :]
        return "\n".join(row.strip() for row in rows), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw the marked text anew."""
        self.refresh()

    def _message(self, y: int, width: int) -> Strip:
        rows = wrap(self.pane.message, max(min(width - 6, 64), 10)) if self.pane.message else []
        top = max((self.size.height - len(rows)) // 3, self._top)
        if not top <= y < top + len(rows):
            return Strip.blank(width, self._base)
        text = rows[y - top]
        style = "bad" if self.pane.state is PaneState.ERROR else "dim"
        left = max((width - len(text)) // 2, 0)
        return paint(self, (Span(" " * left), Span(fit(text, width - left), style)), width, base=self._base)

    def text_lines(self) -> list[str]:
        """All lines as text, for copying."""
        return [plain(self.rows.render(item, 200)).rstrip() for item in self.rows.items]

    @property
    def window(self) -> Region:
        """The part in sight: first line and number of lines."""
        return Region(0, round(self.scroll_offset.y), self._width, self.size.height - self._top)
