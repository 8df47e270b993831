"""The dashboard on a scripted API: reads `{"executions", "events"}`, prints the milliseconds of one repaint."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from textual._compositor import CompositorUpdate
from textual.screen import Screen

import flux.tui.app
from flux.client.api import FluxApi
from flux.domain.events import ExecutionEventType, ExecutionState
from flux.tui.app import FluxApp
from flux.tui.model.store import Topic
from flux.wire.models import EventModel, ExecutionDetail, ExecutionPage, ExecutionSummary, LiveEvent, Ready

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
STATES = (ExecutionState.RUNNING, ExecutionState.PAUSED, ExecutionState.COMPLETED, ExecutionState.FAILED)


def execution(number: int, task: str = "load_batch") -> ExecutionSummary:
    """One of many executions."""
    moment = BEGIN + timedelta(seconds=number)
    return ExecutionSummary(
        execution_id=f"{number:032x}",
        namespace="shop",
        workflow="order",
        state=STATES[number % len(STATES)],
        version=3,
        created_at=moment,
        updated_at=moment,
        started_at=moment,
        current_task=task,
        events_count=12,
    )


def event(number: int, position: int) -> LiveEvent:
    """One live event of an execution."""
    record = EventModel(
        type=ExecutionEventType.TASK_STARTED,
        source_id=f"load_{position}",
        name=f"load_{position}",
        value={"batch": position},
        time=BEGIN + timedelta(seconds=number),
        id=f"event-{position}",
        seq=position + 1,
    )
    return LiveEvent(id=position + 1, kind="event", execution=execution(number, f"load_{position}"), event=record)


class ScriptedApi:
    """Answers what the dashboard asks at its start, and is silent afterwards."""

    base_url = "http://127.0.0.1:8000"

    def __init__(self, count: int) -> None:
        self.count = count

    async def ready(self) -> Ready:
        """Ready."""
        return Ready(status="ready", database=True, workers=1)

    async def list_executions(self, limit: int = 50, **_: Any) -> ExecutionPage:
        """The newest page."""
        first = range(self.count - 1, max(-1, self.count - 1 - limit), -1)
        return ExecutionPage(executions=[execution(number) for number in first], total=self.count)

    async def get_execution(self, execution_id: str, **_: Any) -> ExecutionDetail:
        """One execution, with its only event."""
        number = int(execution_id, 16)
        only = event(number, 0).event
        return ExecutionDetail(**execution(number).model_dump(), events=[only] if only else [])

    async def live(self, last_event_id: int | None = None) -> AsyncIterator[LiveEvent]:
        """One event of every execution."""
        for number in range(self.count):
            yield event(number, number)
        await asyncio.Event().wait()

    def __getattr__(self, name: str) -> Any:
        async def nothing(*_: Any, **__: Any) -> list[Any]:
            return []

        return nothing


class Painting(FluxApp):
    """The dashboard that also makes the terminal's text, as it does with a real terminal."""

    CSS_PATH = str(Path(flux.tui.app.__file__).with_name("app.tcss"))

    def _display(self, screen: Screen[Any], renderable: object) -> None:
        if isinstance(renderable, CompositorUpdate):
            renderable.render_segments(self.console)
        super()._display(screen, cast(Any, renderable))


async def measure(count: int, events: int) -> float:
    """The median processor time of a repaint after one more event; what an idle dashboard uses is taken off."""
    app = Painting(cast(FluxApi, ScriptedApi(count)), None)
    async with app.run_test(size=(160, 50)) as pilot:
        while app.store.last_event_id != count:
            await pilot.pause(0.05)
        await pilot.pause(1.5)
        idle = statistics.median([await used(app, None) for _ in range(20)])
        return statistics.median([await used(app, event(newest(count, n), count + n)) for n in range(events)]) - idle


def newest(count: int, number: int) -> int:
    """One of the executions that are in sight."""
    return count - 1 - number % 40


async def used(app: FluxApp, message: LiveEvent | None) -> float:
    """Milliseconds of processor time from an event until its repaint is finished."""
    begin = time.process_time()
    if message is not None:
        app.store.apply(message)
        app.area.changed({Topic.EXECUTIONS, Topic.EVENTS})
    await asyncio.sleep(0.1)
    return 1000 * (time.process_time() - begin)


def main() -> None:
    """Read, measure, print."""
    request = json.load(sys.stdin)
    print(json.dumps(asyncio.run(measure(request["executions"], request["events"]))))


if __name__ == "__main__":
    main()
