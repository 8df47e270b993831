"""The dashboard on a server in memory, with a fixed clock; screens as text and SVG under `snapshots/`."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from flux.tui.app import FluxApp
from flux.tui.controls import Controls
from tests.tui.fake import FakeApi, FixedClock, populate

ROOT = Path(__file__).resolve().parents[2] / "snapshots"
NARROW, WIDE = (80, 24), (160, 50)
TIMEOUT = 10.0


class ScreenText(SingleFileSnapshotExtension):
    """The grid of characters."""

    _write_mode = WriteMode.TEXT
    _file_extension = "txt"
    file_extension = "txt"

    @classmethod
    def dirname(cls, *, test_location: Any) -> str:
        return str(ROOT / test_location.basename)


class ScreenSVG(ScreenText):
    """The look."""

    _file_extension = "svg"
    file_extension = "svg"


def screen_text(app: App[Any]) -> str:
    """What is on the screen, without colours."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips) + "\n"


def screen_svg(app: App[Any]) -> str:
    """The screen as SVG, without random ids."""
    return re.sub(r"terminal-\d+-", "terminal-", app.export_screenshot(title="flux dev"))


@pytest.fixture(autouse=True)
def _calm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No animation, no blinking, one time zone, colours on."""
    for name, value in (
        ("TEXTUAL_ANIMATIONS", "none"),
        ("TERM", "xterm-256color"),
        ("COLORTERM", "truecolor"),
        ("TZ", "UTC"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(Input.cursor_blink, "_default", False)
    monkeypatch.setattr(TextArea.cursor_blink, "_default", False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def screen(snapshot: Any) -> Callable[..., None]:
    """`screen(app, "name")` compares the text; `look=True` the SVG too."""

    def check(app: App[Any], name: str, *, look: bool = False) -> None:
        assert screen_text(app) == snapshot(name=name, extension_class=ScreenText)
        if look:
            assert screen_svg(app) == snapshot(name=name, extension_class=ScreenSVG)

    return check


class Driver:
    """A running dashboard in the hands of a test."""

    def __init__(self, app: FluxApp, api: FakeApi, pilot: Pilot[None]) -> None:
        self.app, self.api, self.pilot = app, api, pilot

    @property
    def text(self) -> str:
        return screen_text(self.app)

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        names = {" ": "space", "/": "slash", ":": "colon"}
        await self.press(*(names.get(char, char) for char in text))

    async def until(self, condition: Callable[[], Any] | str) -> None:
        """Wait until the condition holds, or the text is on the screen."""
        holds = (lambda: condition in self.text) if isinstance(condition, str) else condition
        end = time.monotonic() + TIMEOUT
        while not holds():
            assert time.monotonic() < end, f"never happened:\n{self.text}"
            await self.pilot.pause(0.01)
        await self.pilot.pause()

    async def settled(self) -> None:
        """Wait until everything asked for has been answered and drawn."""
        await self.until(lambda: self.app.store.connection.connected and not self._busy())

    def _busy(self) -> bool:
        return bool(self.app.feed._pending.keys() - {"resync"}) or self.app._repaint_due


Start = Callable[..., Any]


@pytest.fixture
def start() -> Start:
    """`async with start(size=…) as ui:` runs the dashboard headless on a populated server."""

    @asynccontextmanager
    async def run(
        api: FakeApi | None = None,
        *,
        size: tuple[int, int] = NARROW,
        controls: Controls | None = None,
        settle: bool = True,
    ) -> AsyncIterator[Driver]:
        api = populate(FakeApi()) if api is None else api
        app = FluxApp(api, controls, clock=FixedClock())
        async with app.run_test(size=size) as pilot:
            driver = Driver(app, api, pilot)
            if settle:
                await driver.settled()
                await driver.until(lambda: app.store.loaded.logs)
                detail = app.area.selection()[0]
                if size[0] >= 110 and detail is not None:
                    await driver.until(lambda: app.store.history(detail.execution_id) is not None)
                await driver.settled()
            yield driver

    return run


Check = Callable[[Driver], Awaitable[None]]
