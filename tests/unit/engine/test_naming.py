"""Names made from the arguments of a call."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from flux import task, workflow
from flux.engine.calls import CallCounter
from flux.engine.naming import NameTemplate, displayed
from flux.errors import UsageError


@dataclass
class Order:
    number: int
    tags: dict[str, str]


def load(table, /, rows=10, *rest, order=None, **more): ...


@pytest.mark.parametrize(
    ("text", "args", "kwargs", "expected"),
    [
        ("plain", ("t",), {}, "plain"),
        ("load_{table}", ("t",), {}, "load_t"),
        ("load_{table}_{rows}", ("t",), {}, "load_t_10"),
        ("load_{rows:03d}", ("t",), {"rows": 7}, "load_007"),
        ("{order.number}", ("t",), {"order": Order(3, {})}, "3"),
        ("{order.tags[kind]}", ("t",), {"order": Order(3, {"kind": "new"})}, "new"),
        ("{rest[0]}", ("t", 1, "x"), {}, "x"),
        ("{city}", ("t",), {"city": "Rome"}, "Rome"),
        ("{table:>{rows}}", ("t",), {"rows": 3}, "  t"),
        ("{{{table}}}", ("t",), {}, "{t}"),
        ("{0}", ("t",), {}, "t"),
        ("{table}", ("a\nb",), {}, "a b"),
        ("{table}", ("x" * 5000,), {}, "x" * 200),
    ],
)
def test_arguments_count_by_name_however_they_are_passed(text, args, kwargs, expected):
    assert displayed(NameTemplate(text, load).fill(args, kwargs)) == expected


@pytest.mark.parametrize("text", ["{city}", "{", "}", "{city.name}", "a{}{0}"])
def test_a_template_that_no_call_can_fill_is_refused_when_the_task_is_made(text):
    def fetch(town): ...

    if text == "a{}{0}":
        with pytest.raises(UsageError, match="'fetch'"):
            NameTemplate(text, fetch).fill(("Rome",), {})
        return
    with pytest.raises(UsageError, match="'fetch'") as caught:
        task.with_options(name=text)(fetch)
    assert "town" in caught.value.hint


async def test_a_call_that_cannot_be_named_says_what_is_missing(lab):
    @task.with_options(name="bill_{order.number}")
    async def bill(order):
        return order

    @workflow
    async def w(ctx):
        await bill({"number": 3})

    output = (await lab.run(w)).context.output
    assert isinstance(output, UsageError)
    assert "'bill_{order.number}'" in str(output) and "number" in str(output)
    assert lab.types == ["WORKFLOW_STARTED", "WORKFLOW_FAILED"]


async def test_the_name_stands_in_events_and_the_id_is_fit_for_addresses(lab):
    @task.with_options(name="load {table}/{rows}")
    async def load(table, rows=5):
        return rows

    @workflow
    async def w(ctx):
        return await load(table="a b?")

    await lab.run(w)
    started = lab.log[1]
    assert started.name == "load a b?/5"
    prefix, _, hex = started.source_id.rpartition("_")
    assert prefix == "load-a-b-5" and len(hex) == 16


def test_ids_of_names_that_look_alike_differ():
    calls = CallCounter()
    assert calls.identify("", "a/b", "d") != calls.identify("", "a?b", "d")
