"""The picture that the README shows is what the dashboard looks like; `--snapshot-update` draws it anew."""

from __future__ import annotations

from pathlib import Path

from flux.wire.models import ReloadModel
from tests.tui.conftest import screen_svg
from tests.tui.fake import NOW, FakeApi, FakeControls, populate

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "dashboard.svg"


async def test_the_readme_shows_the_dashboard_of_today(start, pytestconfig):
    api = populate(FakeApi())
    api.results = [ReloadModel(path="shop.py", status="ok", changes=["shop/order v5: +1 task"], took_ms=84, time=NOW)]
    async with start(api, size=(150, 28), controls=FakeControls()) as ui:
        await ui.press("down", "t")
        await ui.pilot.pause(0.15)
        await ui.settled()
        drawn = screen_svg(ui.app)
    if pytestconfig.getoption("update_snapshots"):
        PICTURE.write_text(drawn)
    assert PICTURE.read_text() == drawn
    assert "docs/dashboard.svg" in (PICTURE.parent.parent / "README.md").read_text()
