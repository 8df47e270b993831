"""Every area, dialog and pane state as text in both sizes, a few as SVG."""

import pytest

from flux.tui.controls import ServerStatus
from flux.tui.model.store import Connection, Topic
from flux.tui.model.text import Span
from flux.wire.models import ReloadModel
from tests.tui.conftest import NARROW, WIDE
from tests.tui.fake import NOW, FakeApi, FakeControls, populate

SIZES = pytest.mark.parametrize("size", [NARROW, WIDE], ids=["80x24", "160x50"])
TRACE = "  File \"shop.py\", line 41\n    total = (1,\n            ^\nSyntaxError: '(' was never closed\n"
BROKEN = ReloadModel(
    path="shop.py",
    status="broken",
    error="SyntaxError: '(' was never closed",
    line=41,
    time=NOW,
    serving="v4",
    traceback=TRACE,
)
GOOD = ReloadModel(path="shop.py", status="ok", changes=["shop/order v5: +1 task"], took_ms=84, time=NOW)
VIEWS = {
    "executions": (),
    "detail": ("down", "enter"),
    "values": ("down", "down", "enter", "right_square_bracket"),
    "timeline": ("down", "t"),
    "waiting": ("2",),
    "workflows": ("3", "down", "down"),
    "logs": ("4",),
    "resume": ("2", "r"),
    "resume-raw": ("2", "r", "ctrl+t"),
    "resume-errors": ("2", "r", "ctrl+s"),
    "run": ("3", "down", "down", "enter"),
    "cancel": ("c",),
    "keys": ("question_mark",),
    "copy": ("y",),
    "filtered": ("slash", "s", "h", "o", "p", "enter"),
    "nothing-matches": ("slash", "x", "y", "z", "enter"),
    "paused-view": ("space",),
    "zoomed": ("z",),
}
LOOKS = {"executions", "timeline", "resume", "waiting", "cancel"}


@SIZES
@pytest.mark.parametrize("view", VIEWS)
async def test_view(start, screen, size, view):
    async with start(size=size) as ui:
        for key in VIEWS[view]:
            await ui.press(key)
            await ui.pilot.pause(0.02)
        await ui.pilot.pause(0.15)
        await ui.settled()
        screen(ui.app, "screen", look=view in LOOKS)


@SIZES
@pytest.mark.parametrize("result", [BROKEN, GOOD], ids=["broken", "good"])
async def test_reload_bar(start, screen, size, result):
    api = populate(FakeApi())
    api.results = [result]
    async with start(api, size=size, controls=FakeControls()) as ui:
        screen(ui.app, "screen", look=result is BROKEN)


@SIZES
async def test_problems(start, screen, size):
    api = populate(FakeApi())
    api.results = [BROKEN]
    controls = FakeControls()
    controls.status = ServerStatus("stopped", exit_code=-9, reason="killed by SIGKILL", output=("loading", "bye"))
    async with start(api, size=size, controls=controls) as ui:
        await ui.press("exclamation_mark")
        screen(ui.app, "screen", look=size == WIDE)


@SIZES
async def test_empty(start, screen, size):
    async with start(FakeApi(), size=size) as ui:
        for area in ("1", "2", "3", "4"):
            await ui.press(area)
            screen(ui.app, f"area-{area}")


@SIZES
async def test_disconnected(start, screen, size):
    async with start(size=size) as ui:
        next(worker for worker in ui.app.workers if worker.name == "feed").cancel()
        await ui.settled()
        ui.app.store.connection = Connection(ever=True, attempts=3, error="refused")
        ui.app.changed({Topic.CONNECTION})
        await ui.until("reconnecting to")
        screen(ui.app, "screen", look=size == NARROW)


async def test_never_connected(start, screen):
    api = FakeApi()
    api.down = True
    async with start(api, settle=False) as ui:
        await ui.until("The server does not answer yet")
        screen(ui.app, "screen")


async def test_tall_and_narrow(start, screen):
    async with start(size=(80, 60)) as ui:
        await ui.press("down")
        await ui.until("receipt-118")
        screen(ui.app, "screen")


async def test_too_small(start, screen):
    async with start(size=(58, 12)) as ui:
        screen(ui.app, "screen")


async def test_note_shows_the_equivalent(start, screen):
    async with start() as ui:
        ui.app.note(Span("done ", "good"), "≡ flux execution cancel 7f3a")
        await ui.pilot.pause()
        screen(ui.app, "screen")


async def test_light_theme(start, screen):
    async with start() as ui:
        ui.app.theme = "flux-light"
        await ui.pilot.pause()
        screen(ui.app, "screen", look=True)
