"""Graphs: what runs, what is skipped, and what cannot be built."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flux import task, workflow
from flux.errors import ExecutionError
from flux.tasks import Graph, pause


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


def diamond(condition=None) -> Graph:
    graph = Graph("diamond")
    for node, action in (("a", double), ("b", double), ("c", double), ("d", add)):
        graph.add_node(node, action)
    graph.add_edge("a", "b", condition)
    for edge in (("a", "c"), ("b", "d"), ("c", "d")):
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
    graph = diamond(lambda value: False)
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
        (lambda: Graph("g").end_with("x"), "'x' is not in the graph"),
        (lambda: Graph("g").add_node("a", 3), "'a' is a int, which cannot be called"),
        (lambda: Graph("g").add_node("", double), "cannot name a node"),
        (lambda: diamond("yes"), "condition from 'a' to 'b' cannot be called"),
        (lambda: Graph("g").add_node("a", double).add_edge("a", "a").start_with("a").end_with("a").validate(), "a → a"),
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


async def test_nodes_of_every_kind(lab):
    async def plain(x):
        return [await double(x)]

    inner = Graph("inner").add_node("d", double).start_with("d").end_with("d")
    graph = Graph("outer").add_node("task", double).add_node("graph", inner).add_node("plain", plain)
    graph.add_node("lambda", lambda *args: list(args)).add_node("lazy", lambda x: double(x))
    for node in ("task", "graph", "plain", "lazy"):
        graph.start_with(node).add_edge(node, "lambda")
    graph.end_with("lambda")
    assert (await run(lab, graph, 3)).output == [6, 6, [6], 6]
    assert "TASK_STARTED graph_inner" in lab.shown


async def test_a_starting_node_in_the_middle_gets_the_input_as_one_more_edge(lab):
    graph = Graph("g").add_node("a", double).add_node("b", add).start_with("a").add_edge("a", "b").start_with("b")
    assert (await run(lab, graph.start_with("a").end_with("b").end_with("b"), 5)).output == 15


async def test_several_ends_give_a_list_and_none_of_them_none(lab, new_lab):
    def make(taken):
        graph = Graph("g").add_node("a", double).add_node("b", double).add_node("c", name)
        graph.add_edge("a", "b", lambda x: taken).add_edge("a", "c", lambda x: taken)
        return graph.start_with("a").end_with("c").end_with("b")

    assert (await run(lab, make(True), 1)).output == ["<2>", 4]
    context = await run(new_lab(), make(False), 1)
    assert (context.output, context.has_succeeded) == (None, True)


async def test_conditions_may_ask_tasks_and_nothing_waits_for_them_but_their_node(lab):
    @task
    async def large(x):
        return x > 5

    graph = Graph("g").add_node("a", double).add_node("b", double).add_node("c", double)
    graph.add_edge("a", "b", large).add_edge("a", "c", lambda x: large(x * 10)).start_with("a")
    graph.end_with("b").end_with("c")
    assert (await run(lab, graph, 2)).output == 8
    del lab.log[-1]
    assert (await run(lab, graph, 2)).output == 8


async def test_a_condition_that_raises_is_named(lab):
    graph = Graph("g").add_node("a", double).add_node("b", double)
    graph.add_edge("a", "b", lambda x: x["paid"]).start_with("a").end_with("b")
    error = (await run(lab, graph, 1)).output
    assert isinstance(error, ExecutionError) and isinstance(error.inner_exception, TypeError)
    assert "condition from 'a' to 'b'" in str(error)


async def test_siblings_of_a_failure_finish_and_nothing_new_begins(lab):
    gate = asyncio.Event()

    @task
    async def bad(x):
        gate.set()
        raise ValueError("no")

    @task
    async def good(x):
        await gate.wait()
        for _ in range(5):
            await asyncio.sleep(0)
        return x

    graph = Graph("g").add_node("bad", bad).add_node("good", good).add_node("next", name).add_edge("good", "next")
    graph.start_with("bad").start_with("good").end_with("next")
    error = (await run(lab, graph, 1)).output
    assert isinstance(error.inner_exception, ValueError)
    assert "TASK_COMPLETED good" in lab.shown
    assert "TASK_STARTED name" not in lab.shown


async def test_a_plain_function_that_raises_or_exits_fails_the_graph_alone(lab, new_lab):
    def leave(x):
        raise SystemExit(3)

    def wrong(x):
        raise KeyError(x)

    for one, action, kind in ((lab, leave, RuntimeError), (new_lab(), wrong, ExecutionError)):
        error = (await run(one, Graph("g").add_node("a", action).start_with("a").end_with("a"), 1)).output
        assert isinstance(error, kind)
        assert one.types[-2:] == ["TASK_FAILED", "WORKFLOW_FAILED"]


async def test_a_cancelled_graph_cancels_its_nodes(lab):
    @task
    async def forever(x):
        await asyncio.Event().wait()

    graph = Graph("g").add_node("a", forever).start_with("a").end_with("a")

    @workflow
    async def w(ctx):
        try:
            async with asyncio.timeout(0.02):
                await graph(1)
        except TimeoutError:
            return "gave up"

    assert (await lab.run(w)).context.output == "gave up"
    assert [text for text in lab.shown if "CANCELLED" in text] == ["TASK_CANCELLED forever", "TASK_CANCELLED graph_g"]


async def test_a_node_may_pause_while_the_others_go_on(lab):
    async def ask(x):
        return await pause("approval", x)

    graph = diamond()
    graph.add_node("ask", ask).add_edge("a", "ask").add_edge("ask", "d")

    @workflow
    async def w(ctx):
        return await graph(1)

    session = await lab.run(w)
    assert session.context.is_paused
    assert lab.shown.count("TASK_COMPLETED double") == 3
    lab.answer("approval", 100)
    assert (await lab.run(w)).context.output == 108


async def test_a_thousand_nodes(lab, new_lab):
    wide = Graph("wide").add_node("in", double).add_node("out", add).start_with("in").end_with("out")
    for n in range(1000):
        wide.add_node(f"n{n}", lambda x: x + 1).add_edge("in", f"n{n}").add_edge(f"n{n}", "out")
    assert (await run(lab, wide, 1)).output == 3000
    long = Graph("long").add_node("n0", lambda x: x).start_with("n0")
    for n in range(1, 1000):
        long.add_node(f"n{n}", lambda x: x + 1).add_edge(f"n{n - 1}", f"n{n}", condition=lambda x: x < 500)
    assert (await run(new_lab(), long.end_with("n501"), 0)).output is None
    assert (await run(new_lab(), long.end_with("n500"), 0)).output == 500


@st.composite
def graphs(draw):
    """Nodes by number, edges forwards with fixed conditions, starts so that all is reached, ends."""
    size = draw(st.integers(1, 7))
    pairs = [(a, b) for b in range(size) for a in range(b)]
    edges = draw(st.lists(st.tuples(st.sampled_from(pairs), st.booleans()), max_size=12)) if pairs else []
    targets = {target for (_, target), _ in edges}
    starts = [node for node in range(size) if node not in targets or draw(st.booleans())]
    ends = draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=3, unique=True))
    delays = draw(st.lists(st.integers(0, 5), min_size=size, max_size=size))
    return size, edges, starts, ends, delays


def expected(size, edges, starts, ends):
    """What SURFACE says, node by node: edges point forwards, so the numbers are a topological order."""
    outputs = {}
    for node in range(size):
        args = [outputs[a] for (a, b), taken in edges if b == node and taken and a in outputs]
        args += ["in"] if node in starts else []
        if args:
            outputs[node] = [node, *args]
    ended = [outputs[node] for node in ends if node in outputs]
    return ended[0] if len(ended) == 1 else ended or None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graphs(), st.integers(0, 60))
def test_every_graph_does_as_the_model_says_and_survives_a_crash(new_lab, drawn, cut):
    size, edges, starts, ends, delays = drawn
    graph = Graph("g")

    @task
    async def act(node, *args):
        for _ in range(delays[node]):
            await asyncio.sleep(0)
        return [node, *args]

    for node in range(size):
        graph.add_node(str(node), partial(act, node))
    for (a, b), taken in edges:
        graph.add_edge(str(a), str(b), condition=(lambda x: True) if taken else (lambda x: False))
    for node in starts:
        graph.start_with(str(node))
    for node in ends:
        graph.end_with(str(node))

    async def both():
        lab, again = new_lab(), new_lab()
        first = (await run(lab, graph, "in")).output
        again.log = lab.log[: min(cut, len(lab.log) - 1)]
        delays.reverse()
        return first, (await run(again, graph, "in")).output

    assert asyncio.run(both()) == (expected(size, edges, starts, ends),) * 2
