"""The order of events for each way an execution can go, the same here and on a server."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

RETRIES = " · ".join(["TASK_RETRY_STARTED · TASK_RETRY_FAILED"] * 2)
FAILED = "TASK_FAILED · WORKFLOW_FAILED"
ORDERS = {
    "simple": "TASK_STARTED · TASK_COMPLETED · WORKFLOW_COMPLETED",
    "fail": f"TASK_STARTED · {FAILED}",
    "retry_then_ok": "TASK_STARTED · TASK_RETRY_FAILED · TASK_RETRY_STARTED · TASK_RETRY_FAILED"
    " · TASK_RETRY_STARTED · TASK_RETRY_COMPLETED · TASK_COMPLETED · WORKFLOW_COMPLETED",
    "retry_then_fallback": f"TASK_STARTED · TASK_RETRY_FAILED · {RETRIES}"
    " · TASK_FALLBACK_STARTED · TASK_FALLBACK_COMPLETED · TASK_COMPLETED · WORKFLOW_COMPLETED",
    "fallback_fails": f"TASK_STARTED · TASK_FALLBACK_STARTED · TASK_FALLBACK_FAILED · {FAILED}",
    "rollback": f"TASK_STARTED · TASK_GIVEN_UP · TASK_ROLLBACK_STARTED · TASK_ROLLBACK_COMPLETED · {FAILED}",
    "retry_then_rollback": "TASK_STARTED · TASK_RETRY_FAILED · TASK_RETRY_STARTED · TASK_RETRY_FAILED"
    f" · TASK_GIVEN_UP · TASK_ROLLBACK_STARTED · TASK_ROLLBACK_COMPLETED · {FAILED}",
    "rollback_fails": f"TASK_STARTED · TASK_GIVEN_UP · TASK_ROLLBACK_STARTED · TASK_ROLLBACK_FAILED · {FAILED}",
    "timeout": f"TASK_STARTED · {FAILED}",
    "nested": "TASK_STARTED outer · TASK_STARTED greet · TASK_COMPLETED greet · TASK_COMPLETED outer"
    " · WORKFLOW_COMPLETED",
    "in_parallel": "TASK_STARTED parallel · TASK_STARTED greet · TASK_COMPLETED greet · TASK_STARTED greet"
    " · TASK_COMPLETED greet · TASK_COMPLETED parallel · WORKFLOW_COMPLETED",
    "parallel_fails": "TASK_STARTED parallel · TASK_STARTED broken · TASK_FAILED broken · TASK_STARTED greet"
    " · TASK_COMPLETED greet · TASK_FAILED parallel · WORKFLOW_FAILED",
}
RESUMED = "WORKFLOW_RESUMING · WORKFLOW_RESUME_SCHEDULED · WORKFLOW_RESUME_CLAIMED · WORKFLOW_RESUMED · TASK_RESUMED"


async def order(place, execution_id: str, like: str) -> str:
    """The events of an execution in one line, written as `like` is: with names where it has them."""
    shown = []
    wanted = like.split(" · ")
    for index, event in enumerate(await place.history(execution_id)):
        named = index < len(wanted) and " " in wanted[index]
        shown.append(f"{event.type} {event.name}" if named else str(event.type))
    return " · ".join(shown)


@pytest.mark.parametrize("name", ORDERS)
async def test_order(place, name, tmp_path):
    execution_id = await place.run(name, str(tmp_path / "mark"))
    expected = f"{place.prefix}WORKFLOW_STARTED · {ORDERS[name]}"
    assert await order(place, execution_id, expected) == expected


async def test_order_of_pause_and_resume(place):
    execution_id = await place.run("pauses", "before")
    paused = (
        f"{place.prefix}WORKFLOW_STARTED · TASK_STARTED greet · TASK_COMPLETED greet"
        " · TASK_STARTED pause · TASK_PAUSED · WORKFLOW_PAUSED"
    )
    assert await order(place, execution_id, paused) == paused
    await place.resume("pauses", execution_id, "yes")
    done = f"{paused} · {RESUMED} · TASK_COMPLETED pause · TASK_STARTED · TASK_COMPLETED · WORKFLOW_COMPLETED"
    assert await order(place, execution_id, done) == done


async def test_order_of_a_pause_inside_a_task(place):
    execution_id = await place.run("pauses_in_a_task", "x")
    await place.resume("pauses_in_a_task", execution_id, "yes")
    expected = (
        f"{place.prefix}WORKFLOW_STARTED · TASK_STARTED asks · TASK_STARTED pause · TASK_PAUSED pause"
        f" · WORKFLOW_PAUSED · {RESUMED} · TASK_COMPLETED pause · TASK_COMPLETED asks · WORKFLOW_COMPLETED"
    )
    assert await order(place, execution_id, expected) == expected


async def test_order_of_a_call_of_another_workflow(place):
    execution_id = await place.run("calls", "x")
    assert unclaimed(await place.history(execution_id)) == [
        "WORKFLOW_STARTED calls",
        "TASK_STARTED call_workflow_default/simple",
        "TASK_WAITING call_workflow_default/simple",
        "TASK_CHILD_COMPLETED call_workflow_default/simple",
        "TASK_COMPLETED call_workflow_default/simple",
        "TASK_STARTED greet",
        "TASK_COMPLETED greet",
        "WORKFLOW_COMPLETED calls",
    ]


def unclaimed(history) -> list[str]:
    """The events without those of claims: a worker may have let go meanwhile, or not."""
    return [f"{one.type} {one.name}" for one in history if not one.type.endswith(("_SCHEDULED", "_CLAIMED"))]


async def test_order_behind_a_crash(place, tmp_path):
    execution_id = await place.run("crashes", str(tmp_path / "mark"))
    expected = (
        f"{place.prefix}WORKFLOW_STARTED · TASK_STARTED greet · TASK_COMPLETED greet · {place.prefix}"
        "TASK_STARTED dies_once · TASK_COMPLETED dies_once · TASK_STARTED greet · TASK_COMPLETED greet"
        " · WORKFLOW_COMPLETED"
    )
    assert await order(place, execution_id, expected) == expected


async def test_order_of_a_cancel_while_it_runs(served):
    execution_id = await served.start("cancelled", "x")
    await served.until(execution_id, "TASK_STARTED", "endless")
    await served.cancel("cancelled", execution_id)
    expected = (
        f"{served.prefix}WORKFLOW_STARTED · TASK_STARTED greet · TASK_COMPLETED greet · TASK_STARTED endless"
        " · WORKFLOW_CANCELLING · TASK_CANCELLED endless · TASK_ROLLBACK_STARTED · TASK_ROLLBACK_COMPLETED"
        " · WORKFLOW_CANCELLED"
    )
    assert await order(served, execution_id, expected) == expected


async def test_order_of_a_cancel_while_it_waits(place):
    execution_id = await place.run("cancelled_while_it_waits", "x")
    await place.cancel_paused("cancelled_while_it_waits", execution_id)
    kinds = [kind.partition(" ")[0] for kind in unclaimed(await place.history(execution_id))]
    assert kinds[3:] == ["WORKFLOW_PAUSED", "WORKFLOW_CANCELLING", "TASK_CANCELLED", "WORKFLOW_CANCELLED"]
