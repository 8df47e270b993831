"""Fallbacks and rollbacks: functions and tasks, sync and async, with all, some or none of the arguments."""

from __future__ import annotations

import pytest

from flux import task, workflow
from flux.engine.handlers import arguments_for
from flux.errors import ExecutionError

GIVEN = (("u", 3), {"deep": True})
NAMES = {"url": "u", "tries": 3, "deep": True, "metadata": "m"}


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (lambda: 0, ((), {})),
        (lambda url, tries, deep: 0, GIVEN),
        (lambda *args, **kwargs: 0, GIVEN),
        (lambda url: 0, ((), {"url": "u"})),
        (lambda deep, url: 0, ((), {"deep": True, "url": "u"})),
        (lambda url, metadata: 0, ((), {"url": "u", "metadata": "m"})),
        (lambda other: 0, (("u",), {})),
        (lambda other, *, deep: 0, (("u",), {"deep": True})),
        (lambda url, other=1: 0, ((), {"url": "u"})),
        (lambda one, two, three: 0, (("u", 3, True), {})),
        (lambda one, deep: 0, (("u",), {"deep": True})),
    ],
)
def test_a_handler_gets_what_it_takes(handler, expected):
    assert arguments_for(handler, GIVEN, NAMES) == expected


@task
async def stand_in(x):
    return f"task {x}"


@task
def sync_stand_in():
    return "sync task"


async def plain(x):
    return f"async {x}"


@pytest.mark.parametrize(
    ("fallback", "expected", "inside"),
    [
        (stand_in, "task 7", True),
        (sync_stand_in, "sync task", True),
        (plain, "async 7", False),
        (lambda x: f"sync {x}", "sync 7", False),
        (lambda: None, None, False),
    ],
)
async def test_every_kind_of_fallback(lab, fallback, expected, inside):
    @task.with_options(fallback=fallback)
    async def load(x):
        raise OSError("gone")

    @workflow
    async def w(ctx):
        return await load(7)

    assert (await lab.run(w)).context.output == expected
    assert (f"TASK_COMPLETED {getattr(fallback, 'name', '')}" in lab.shown) is inside


@pytest.mark.parametrize("sync", [True, False])
async def test_every_kind_of_rollback(lab, sync):
    undone = []

    async def undo(seat):
        undone.append(seat)

    @task.with_options(rollback=(lambda seat: undone.append(seat)) if sync else undo)
    def book(seat, price):
        raise LookupError(seat)

    @workflow
    async def w(ctx):
        await book("12A", price=3)

    assert isinstance((await lab.run(w)).context.output, ExecutionError)
    assert undone == ["12A"]


async def test_a_handler_that_takes_something_else_fails_as_itself(lab):
    @task.with_options(fallback=lambda a, b, c: 0)
    async def load(x):
        raise OSError("gone")

    @workflow
    async def w(ctx):
        await load(7)

    error = (await lab.run(w)).context.output
    assert isinstance(error.inner_exception, TypeError)
    assert "TASK_FALLBACK_FAILED load" in lab.shown
