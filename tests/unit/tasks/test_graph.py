"""Graphs: what runs, what is skipped, and what cannot be built."""

from __future__ import annotations

import asyncio

import pytest

from flux import task, workflow
from flux.errors import ExecutionError
from flux.tasks import Graph


@task
async def double(x):
    return x * 2


@task
async def add(*values):
    return sum(values)


@task
async def name(value):
    return f"<{value}>"


async def run(lab, graph, input=None):
    @workflow
    async def w(ctx):
        return await graph(ctx.input)

    return (await lab.run(w, input)).context


def diamond() -> Graph:
    graph = Graph("diamond")
    for node, action in (("a", double), ("b", double), ("c", double), ("d", add)):
        graph.add_node(node, action)
    for edge in (("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")):
        graph.add_edge(*edge)
    return graph.start_with("a").end_with("d")


async def test_a_join_gets_the_outputs_of_its_edges(lab):
    assert (await run(lab, diamond(), 1)).output == 8
    assert lab.shown[1] == "TASK_STARTED graph_diamond"


async def test_independent_nodes_run_at_the_same_time(lab):
    meeting = asyncio.Barrier(2)

    @task
    async def meet(x):
        await asyncio.wait_for(meeting.wait(), 5)
        return x

    graph = Graph("g").add_node("a", double).add_node("b", meet).add_node("c", meet).add_node("d", add)
    graph.add_edge("a", "b").add_edge("a", "c").add_edge("b", "d").add_edge("c", "d").start_with("a").end_with("d")
    assert (await run(lab, graph, 1)).output == 4


@pytest.mark.parametrize(("amount", "expected"), [(1, "<2>"), (10, 40)])
async def test_conditions_choose_a_branch_and_skip_the_other(lab, amount, expected):
    async def large(value):
        return value > 5

    graph = Graph("g").add_node("start", double).add_node("small", name).add_node("large", double)
    graph.add_edge("start", "small", condition=lambda value: value <= 5).add_edge("start", "large", condition=large)
    graph.start_with("start").end_with("small").end_with("large")
    assert (await run(lab, graph, amount)).output == expected


async def test_a_join_behind_a_skipped_branch_runs_with_what_was_taken(lab):
    graph = diamond()
    graph._edges[0] = type(graph._edges[0])("a", "b", lambda value: False)
    assert (await run(lab, graph, 1)).output == 4


async def test_a_graph_survives_a_crash_anywhere(lab, new_lab):
    graph = diamond()

    @workflow
    async def w(ctx):
        return await graph(ctx.input)

    await lab.run(w, 1)
    for cut in range(1, len(lab.log)):
        again = new_lab()
        again.log = list(lab.log[:cut])
        session = await again.run(w, 1)
        assert session.context.output == 8, (cut, session.divergence)


async def test_a_failing_node_fails_the_graph(lab):
    @task
    async def bad(x):
        raise ValueError("no")

    graph = Graph("g").add_node("a", bad).start_with("a").end_with("a")
    context = await run(lab, graph)
    assert isinstance(context.output, ExecutionError)
    assert lab.shown[-2] == "TASK_FAILED graph_g"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Graph("g").add_node("a", double).add_node("a", double), "'a' is in the graph already"),
        (lambda: Graph("g").add_node("a", double).add_edge("a", "b"), "'b' is not in the graph"),
        (lambda: Graph("g").start_with("x"), "'x' is not in the graph"),
        (lambda: Graph("g").add_node("a", double).end_with("a").validate(), "no starting node"),
        (lambda: Graph("g").add_node("a", double).start_with("a").validate(), "no ending node"),
        (
            lambda: Graph("g").add_node("a", double).add_node("b", double).start_with("a").end_with("b").validate(),
            "'b' cannot be reached",
        ),
        (
            lambda: diamond().add_edge("d", "a").validate(),
            "has a cycle",
        ),
    ],
)
def test_what_cannot_run_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()
