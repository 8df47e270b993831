"""The dashboard's application object: it owns the store and the feed and tells the screens what changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.binding import Binding

from flux.clock import Clock, SystemClock, to_datetime
from flux.tui.actions import Actions
from flux.tui.commands import Context
from flux.tui.controls import Controls
from flux.tui.feed import Feed
from flux.tui.model.selectors import counts
from flux.tui.model.store import Store, Topic
from flux.tui.model.text import Line, Span
from flux.tui.screens.base import AreaScreen
from flux.tui.screens.executions import ExecutionsScreen
from flux.tui.screens.logs import LogsScreen
from flux.tui.screens.waiting import WaitingScreen
from flux.tui.screens.workflows import WorkflowsScreen
from flux.tui.theme import DARK, LIGHT, Palette

if TYPE_CHECKING:
    from flux.client.api import FluxApi

_REPAINT = 0.1
_TICK = 1.0
_NOTE = 8.0


class FluxApp(App[None], inherit_bindings=False):
    """The dashboard on one server.

    Args:
        api: all it knows of the server.
        controls: the supervisor when this process started the server; None when attached.
        clock: what time it is on the screen.
        theme: name of a theme of Textual or `flux`, `flux-light`.

    Example:
        >>> app = FluxApp(client)  # doctest: +SKIP
        >>> run_dashboard(app)  # doctest: +SKIP
    """

    TITLE = "flux"
    CSS_PATH = "app.tcss"
    MODES = {
        "executions": ExecutionsScreen,
        "waiting": WaitingScreen,
        "workflows": WorkflowsScreen,
        "logs": LogsScreen,
    }
    DEFAULT_MODE = "executions"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (40, "-tall")]
    BINDINGS = [
        Binding(key, f"command('{name}')", show=False)
        for key, name in (("ctrl+q", "app.quit"), ("ctrl+c", "app.interrupt"))
    ]

    def __init__(
        self, api: FluxApi, controls: Controls | None = None, *, clock: Clock | None = None, theme: str = "flux"
    ) -> None:
        super().__init__()
        self.api = api
        self.controls = controls
        self.clock = clock or SystemClock()
        self.store = Store()
        self.feed = Feed(api, self.store, self.clock, self.changed)
        self.actions = Actions(self)
        self.filters: dict[str, str] = {}
        self.drafts: dict[str, Any] = {}
        self.frozen_at: datetime | None = None
        self.frozen_count = 0
        self.last_note: Line = ()
        self._note_timer: asyncio.TimerHandle | None = None
        self._dirty: set[Topic] = set()
        self._repaint_due = False
        self._mounted = False
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = theme
        self._palettes: dict[str, Palette] = {}

    # life

    def on_mount(self) -> None:
        """Begin to follow the server."""
        self._mounted = True
        self.run_worker(self.feed.run(), name="feed", exit_on_error=False)
        self.set_interval(_TICK, self._tick)

    async def on_unmount(self) -> None:
        """Stop what is under way."""
        await self.feed.close()

    def now(self) -> datetime:
        """What time it is on the screen: it stands still while the view is paused."""
        return self.frozen_at or to_datetime(self.clock.now())

    @property
    def palette(self) -> Palette:
        """Styles of the current theme."""
        name = self.theme
        if name not in self._palettes:
            self._palettes[name] = Palette(self.theme_variables, ansi=self.current_theme.ansi)
        return self._palettes[name]

    @property
    def area(self) -> AreaScreen:
        """The screen of the current area, also below a dialog."""
        screen = self.screen_stack[0]
        assert isinstance(screen, AreaScreen)
        return screen

    @property
    def title_text(self) -> str:
        """`flux dev` with a server of our own, `flux top` without."""
        return "flux dev" if self.controls else "flux top"

    # changes

    def changed(self, topics: set[Topic]) -> None:
        """Something in the store changed: the area in front is redrawn soon, many changes at once."""
        self._dirty |= topics
        if not self._repaint_due and self._mounted:
            self._repaint_due = True
            self.soon(_REPAINT, self._repaint)

    def _repaint(self) -> None:
        self._repaint_due = False
        if self.screen_stack and isinstance(self.screen_stack[0], AreaScreen):
            topics, self._dirty = self._dirty, set()
            self.area.changed(topics)

    def _tick(self) -> None:
        if self._dirty:
            self._repaint()
        if self.screen_stack and isinstance(self.screen_stack[0], AreaScreen):
            self.area.tick()

    def toggle_freeze(self) -> None:
        """Pause the view, or show what happened meanwhile."""
        if self.frozen_at is None:
            self.frozen_at, self.frozen_count = self.now(), self.store.applied
        else:
            self.frozen_at = None
        self.area.changed(set(Topic))

    # what commands ask

    def context(self) -> Context:
        """What is selected and how things stand."""
        area = self.area
        execution, wait, workflow = area.selection()
        broken = self.store.broken()
        status = self.controls.server_status() if self.controls else None
        return Context(
            area=area.AREA,
            connected=self.store.connection.connected,
            attached=self.controls is None,
            execution=execution,
            wait=wait,
            workflow=workflow,
            waits=tuple(self.store.waits_of(execution.execution_id)) if execution else (),
            has_problem=bool(broken) or (status is not None and status.exit_code is not None),
            has_place=self.actions.place(execution, workflow) is not None,
            filtered=bool(self.filters.get(area.AREA)),
            paused=self.frozen_at is not None,
            detail_open=area.has_class("-detail-open"),
            running=counts(self.store).running,
        )

    def action_command(self, name: str) -> None:
        """Run a command of the table."""
        self.actions.run(name)

    # telling

    def note(self, *spans: Span | str, seconds: float = _NOTE) -> None:
        """Say something in the line above the keys."""
        self.last_note = tuple(Span(span) if isinstance(span, str) else span for span in spans)
        if self._note_timer is not None:
            self._note_timer.cancel()
        self._note_timer = self.soon(seconds, self._unnote)
        self.area.show_note()

    def _unnote(self) -> None:
        self.last_note = ()
        self.area.show_note()

    def notify(self, message: str, *, markup: bool = False, **options: Any) -> None:
        """A toast; text is never read as markup."""
        super().notify(message, markup=False, **options)

    def soon(self, seconds: float, call: Callable[[], Any]) -> asyncio.TimerHandle:
        """Run once after some seconds, however late the event loop is by then.

        A one-shot timer of Textual drops its only tick when the loop was held up past it.
        """

        def due() -> None:
            if self.is_running:
                self.call_later(call)

        return asyncio.get_running_loop().call_later(seconds, due)

    def later(self, call: Callable[[], Any]) -> None:
        """Run once the screen has settled."""
        self.call_after_refresh(call)
