"""Newest-first lists: filters, cursors, totals."""

from __future__ import annotations

import pytest

from flux.domain import ExecutionEventType as E
from flux.domain import ExecutionState as S
from flux.errors import InvalidInputError
from flux.store import Append, ExecutionFilter, listing


@pytest.fixture
async def some(store, make, started):
    """Six executions by name, oldest first."""
    names = {}
    for name, namespace, workflow, end in (
        ("created", "shop", "order", None),
        ("running", "shop", "order", E.TASK_COMPLETED),
        ("completed", "shop", "refund", E.WORKFLOW_COMPLETED),
        ("failed", "shop", "order", E.WORKFLOW_FAILED),
        ("other", "bank", "order", E.WORKFLOW_COMPLETED),
        ("newest", "bank", "loan", E.TASK_COMPLETED),
    ):
        if end is None:
            execution = await store.executions.create(make.execution(workflow, namespace))
        else:
            execution = await started(workflow, namespace)
            await store.executions.append(Append(execution.id, 1, [make.event(end, 2)]))
        names[execution.id] = name
    return names


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        (ExecutionFilter(), "newest other failed completed running created"),
        (ExecutionFilter(states=(S.COMPLETED,)), "other completed"),
        (ExecutionFilter(states=(S.COMPLETED, S.RUNNING)), "newest other completed running"),
        (ExecutionFilter(namespace="shop"), "failed completed running created"),
        (ExecutionFilter(workflow="order"), "other failed running created"),
        (ExecutionFilter(workflow="order", namespace="shop"), "failed running created"),
        (ExecutionFilter(workflow="shop/order"), "failed running created"),
        (ExecutionFilter(workflow="shop/order", namespace="bank"), ""),
        (ExecutionFilter(workflow="shop/order", states=(S.FAILED, S.CREATED)), "failed created"),
        (ExecutionFilter(namespace="nowhere"), ""),
    ],
)
async def test_filters(store, some, filter, expected):
    page = await store.executions.list(filter)
    assert [some[execution.id] for execution in page.items] == expected.split()
    assert page.total == len(expected.split())
    assert page.next_cursor is None


@pytest.mark.parametrize("filter", [ExecutionFilter(), ExecutionFilter(states=(S.CREATED, S.RUNNING))])
async def test_cursors_walk_through_everything_once(store, make, filter):
    created = [(await store.executions.create(make.execution())).id for _ in range(7)]
    first = await store.executions.list(filter, limit=3)
    second = await store.executions.list(filter, limit=3, cursor=first.next_cursor)
    third = await store.executions.list(filter, limit=3, cursor=second.next_cursor)
    assert [execution.id for page in (first, second, third) for execution in page.items] == created[::-1]
    assert [page.total for page in (first, second, third)] == [7, 7, 7]
    assert third.next_cursor is None


async def test_new_executions_do_not_shift_a_page(store, make):
    created = [(await store.executions.create(make.execution())).id for _ in range(4)]
    first = await store.executions.list(limit=2)
    await store.executions.create(make.execution())
    second = await store.executions.list(limit=2, cursor=first.next_cursor)
    assert [execution.id for execution in (*first.items, *second.items)] == created[::-1]


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "٣", "9" * 30])
async def test_a_cursor_of_nowhere(store, cursor):
    with pytest.raises(InvalidInputError):
        await store.executions.list(cursor=cursor)


async def test_totals_are_counted_up_to_a_limit(store, make, monkeypatch):
    monkeypatch.setattr(listing, "COUNT_LIMIT", 3)
    for _ in range(5):
        await store.executions.create(make.execution())
    assert (await store.executions.list(limit=1)).total == 3
    assert (await store.executions.list(ExecutionFilter(namespace="shop"), limit=1)).total == 3
