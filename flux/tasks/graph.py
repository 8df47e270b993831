"""`Graph`: tasks as nodes, run as soon as what they need is there."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from graphlib import CycleError, TopologicalSorter
from typing import Any, Self

from flux.engine.branches import cancel, settle, spawn
from flux.engine.builtin import perform, value_of
from flux.engine.calls import caller_location
from flux.engine.frame import Frame, current_frame
from flux.engine.quiet import FluxFuture
from flux.errors import ExecutionError, GraphError

Action = Callable[..., Any]
Condition = Callable[[Any], bool | Awaitable[bool]]
_START = ""
"""Source of the edges that bring the graph's input."""


@dataclass(frozen=True, slots=True)
class _Edge:
    """What flows from one node to another; `index` is its place among all edges."""

    index: int
    source: str
    target: str
    condition: Condition | None = None


class Graph:
    """Tasks and what flows between them.

    A node runs when every edge into it is decided and at least one was taken; it receives the outputs of
    the taken ones as positional arguments, in the order of the edges. An edge is taken when its condition,
    called with the output of its source, is true; a branch that is not taken is skipped. Nodes whose inputs
    are there run concurrently.

    Nodes are tasks, other graphs, or plain functions, sync or async. Only what tasks do is recorded: the
    others, and the conditions, run again in a replay, and decide by what they are given.

    Example:
        >>> graph = (
        ...     Graph("order")
        ...     .add_node("load", load)
        ...     .add_node("ship", ship)
        ...     .add_edge("load", "ship", condition=lambda order: order["paid"])
        ...     .start_with("load")
        ...     .end_with("ship")
        ... )  # doctest: +SKIP
        >>> await graph(7)  # doctest: +SKIP
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._nodes: dict[str, Action] = {}
        self._edges: list[_Edge] = []
        self._ends: list[str] = []

    def add_node(self, name: str, action: Action) -> Self:
        """Add a task under a name. Raises `GraphError` when the name is taken or the action cannot be called."""
        if name in self._nodes:
            raise GraphError(f"Node '{name}' is in the graph already.")
        if not isinstance(name, str) or name == _START:
            raise GraphError(f"{name!r} cannot name a node.", hint="Use a text that is not empty.")
        if not callable(action):
            raise GraphError(f"Node '{name}' is a {type(action).__name__}, which cannot be called.")
        self._nodes[name] = action
        return self

    def add_edge(self, source: str, target: str, condition: Condition | None = None) -> Self:
        """Let the output of one node flow into another, always or on a condition (sync or async)."""
        for node in (source, target):
            self._known(node)
        if condition is not None and not callable(condition):
            raise GraphError(f"The condition from '{source}' to '{target}' cannot be called.")
        self._edges.append(_Edge(len(self._edges), source, target, condition))
        return self

    def start_with(self, node: str) -> Self:
        """Give the graph's input to this node: an edge into it that is always taken."""
        self._known(node)
        if node not in self._starts:
            self._edges.append(_Edge(len(self._edges), _START, node))
        return self

    def end_with(self, node: str) -> Self:
        """Take the graph's output from this node."""
        self._known(node)
        if node not in self._ends:
            self._ends.append(node)
        return self

    def validate(self) -> Self:
        """Raises `GraphError` for a missing start or end, a cycle, or a node that nothing reaches."""
        if not self._starts:
            raise GraphError(f"Graph '{self.name}' has no starting node.", hint="Name one with `start_with`.")
        if not self._ends:
            raise GraphError(f"Graph '{self.name}' has no ending node.", hint="Name one with `end_with`.")
        self._check_cycles()
        reached = set(self._reached())
        for node in self._nodes:
            if node not in reached:
                raise GraphError(f"Node '{node}' cannot be reached from a starting node.")
        return self

    async def __call__(self, input: Any = None) -> Any:
        """Run the graph: the output of its ending node, None when it was skipped; a list when several ended it."""
        self.validate()
        location = caller_location()

        async def body() -> Any:
            outputs = await _Run(self, current_frame(), input).finish()
            ended = [outputs[node] for node in self._ends if node in outputs]
            return ended[0] if len(ended) == 1 else ended or None

        return await perform(f"graph_{self.name}", (input,), {"input": input}, body, location)

    @property
    def _starts(self) -> list[str]:
        return [edge.target for edge in self._edges if edge.source == _START]

    def _known(self, node: str) -> None:
        if node not in self._nodes:
            raise GraphError(f"Node '{node}' is not in the graph.", hint="Add it with `add_node` first.")

    def _check_cycles(self) -> None:
        sorter: TopologicalSorter[str] = TopologicalSorter()
        for edge in self._edges:
            sorter.add(edge.target, edge.source)
        try:
            sorter.prepare()
        except CycleError as error:
            raise GraphError(f"Graph '{self.name}' has a cycle: {' → '.join(reversed(error.args[1]))}.") from None

    def _reached(self) -> Iterator[str]:
        outgoing = self._outgoing()
        seen, waiting = {_START}, deque([_START])
        while waiting:
            for edge in outgoing.get(waiting.popleft(), ()):
                if edge.target not in seen:
                    seen.add(edge.target)
                    waiting.append(edge.target)
                    yield edge.target

    def _outgoing(self) -> dict[str, list[_Edge]]:
        outgoing: dict[str, list[_Edge]] = {}
        for edge in self._edges:
            outgoing.setdefault(edge.source, []).append(edge)
        return outgoing


class _Run:
    """One run of a graph: what has been decided, what runs.

    Nodes run as tasks of their own, begun in the context of the graph's caller: what one node does to its
    context variables no other one sees.
    """

    def __init__(self, graph: Graph, frame: Frame, input: Any) -> None:
        self._nodes = graph._nodes
        self._places = {node: index for index, node in enumerate(graph._nodes)}
        self._outgoing = graph._outgoing()
        self._undecided = dict.fromkeys(graph._nodes, 0)
        for edge in graph._edges:
            self._undecided[edge.target] += 1
        self._arrived: dict[str, list[tuple[int, Any]]] = {node: [] for node in graph._nodes}
        self._outputs: dict[str, Any] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._failed: asyncio.Task[Any] | None = None
        self._frame = frame
        self._input = input
        self._context = copy_context()
        self._over = FluxFuture(loop=asyncio.get_running_loop())

    async def finish(self) -> dict[str, Any]:
        """Run node after node until none is left: outputs by node. The first failure is raised."""
        self._spread(_START, self._input, [True] * len(self._outgoing[_START]))
        try:
            await self._over
            if self._failed is not None:
                await settle(self._running)
        except asyncio.CancelledError:
            await cancel(self._running)
            raise
        if self._failed is not None:
            raise asyncio.CancelledError if self._failed.cancelled() else _error_of(self._failed)
        return self._outputs

    def _spread(self, source: str, output: Any, taken: list[bool]) -> None:
        """Decide the edges of a node that has run; what becomes complete begins, what nothing leads to is skipped."""
        waiting = deque(zip(self._outgoing.get(source, ()), taken, strict=True))
        while waiting:
            edge, is_taken = waiting.popleft()
            target = edge.target
            if is_taken:
                self._arrived[target].append((edge.index, output))
            self._undecided[target] -= 1
            if self._undecided[target]:
                continue
            if self._arrived[target]:
                self._begin(target)
            else:
                waiting.extend((further, False) for further in self._outgoing.get(target, ()))

    def _begin(self, node: str) -> None:
        args = [output for _, output in sorted(self._arrived.pop(node), key=lambda arrived: arrived[0])]
        frame = self._frame.branch(f"node.{node}", self._places[node])
        task = spawn(frame, partial(self._perform, node, args))
        self._running.add(task)
        task.add_done_callback(partial(self._done, node), context=self._context)

    async def _perform(self, node: str, args: list[Any]) -> tuple[Any, list[bool]]:
        """The output of a node, and which of its edges are taken."""
        with _failing(f"Node '{node}'"):
            output = await value_of(self._nodes[node](*args))
        taken = []
        for edge in self._outgoing.get(node, ()):
            with _failing(f"The condition from '{edge.source}' to '{edge.target}'"):
                taken.append(edge.condition is None or bool(await value_of(edge.condition(output))))
        return output, taken

    def _done(self, node: str, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if self._over.done():
            if not task.cancelled():
                task.exception()  # the first failure is the one that is raised
            return
        if task.cancelled() or task.exception() is not None:
            self._failed = task
        else:
            self._outputs[node], taken = task.result()
            self._spread(node, self._outputs[node], taken)
        if self._failed is not None or not self._running:
            self._over.set_result(None)


def _error_of(task: asyncio.Task[Any]) -> BaseException:
    error = task.exception()
    assert error is not None
    return error


@contextmanager
def _failing(place: str) -> Iterator[None]:
    """Say where a plain function has failed; tasks say that themselves."""
    try:
        yield
    except ExecutionError:
        raise
    except Exception as error:
        raise ExecutionError(error, f"{place} raised {type(error).__name__}: {error}") from error
