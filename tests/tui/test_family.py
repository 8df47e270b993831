"""From an execution to its parent and its children."""

from __future__ import annotations

from flux.domain.events import ExecutionEventType as E
from flux.domain.events import ExecutionState as S
from flux.domain.events import WaitKind
from flux.tui.dialogs.form import FormDialog
from flux.tui.model.rows import event_row
from flux.tui.model.store import Store
from flux.tui.model.text import plain
from flux.wire.models import PendingWaitModel
from tests.tui.conftest import WIDE
from tests.tui.fake import FakeApi, at, populate

PARENT, CHILD = "beef" + "0" * 28, "cafe" + "0" * 28


def wait(execution_id: str, name: str, kind: WaitKind, child: str = "") -> PendingWaitModel:
    return PendingWaitModel(
        execution_id=execution_id,
        namespace="shop",
        workflow="order",
        id=f"{name}-{execution_id[:4]}",
        name=name,
        kind=kind,
        since=at(0),
        child_id=child,
    )


def family() -> FakeApi:
    api = populate(FakeApi())
    api.execution("shop/order", S.PAUSED, execution_id=PARENT, created_at=at(1))
    api.event(PARENT, E.WORKFLOW_STARTED, "order", at(1))
    waiting = api.event(PARENT, E.TASK_WAITING, "call_workflow_shop/charge", at(2), value=118)
    api.events[PARENT][-1] = waiting.model_copy(update={"child_id": CHILD})
    api.execution("shop/charge", S.PAUSED, execution_id=CHILD, created_at=at(2), parent_id=PARENT)
    api.event(CHILD, E.WORKFLOW_STARTED, "charge", at(3))
    api.open_waits = [wait(PARENT, "call", WaitKind.CHILD, CHILD), wait(CHILD, "approval", WaitKind.INPUT)]
    return api


def test_the_event_that_starts_a_child_names_it():
    (_, event) = family().events[PARENT]
    assert "→ cafe0000  118" in plain(event_row(event))


def test_what_a_child_asks_counts_as_asked_by_its_parent():
    store = Store()
    store.set_waits(family().open_waits)
    assert [one.name for one in store.waits_of(PARENT)] == ["call", "approval"]
    assert [one.name for one in store.waits_of(CHILD)] == ["approval"]
    assert store.waits_for(PARENT) == store.waits_for(CHILD) == "approval"


async def test_from_a_parent_to_its_child_and_back(start):
    async with start(family(), size=WIDE) as ui:
        ui.app.area.main.select(PARENT)
        await ui.until("→ cafe0000")
        await ui.press("enter", "end", "enter")
        await ui.until("Go to execution")
        await ui.press("enter")
        await ui.until(lambda: ui.app.area.main.identity == CHILD)
        await ui.until("child of beef0000")
        await ui.press("home", "enter")
        await ui.until("Go to execution")
        await ui.press("enter")
        await ui.until(lambda: ui.app.area.main.identity == PARENT)


async def test_the_parent_is_answered_by_the_form_of_its_child(start):
    async with start(family(), size=WIDE) as ui:
        ui.app.area.main.select(PARENT)
        await ui.until("→ cafe0000")
        await ui.press("r")
        await ui.until(lambda: isinstance(ui.app.screen, FormDialog))
        assert "approval" in ui.text
