"""`Graph`: tasks as nodes, run as soon as what they need is there."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, Self

from flux.engine.branches import settle, spawn
from flux.engine.builtin import perform
from flux.engine.calls import caller_location
from flux.engine.frame import Frame, current_frame
from flux.errors import UsageError

Condition = Callable[[Any], bool | Awaitable[bool]]


class GraphError(UsageError, ValueError):
    """A graph that cannot run; the message names the node."""

    code = "graph_invalid"


@dataclass(frozen=True, slots=True)
class _Edge:
    source: str
    target: str
    condition: Condition | None = None


class Graph:
    """Tasks and what flows between them.

    A node runs when every edge into it is decided and at least one was taken; it receives the outputs of
    the taken ones as positional arguments, in the order of the edges. An edge is taken when its condition,
    called with the output of its source, is true; a branch that is not taken is skipped. Nodes whose inputs
    are there run concurrently.

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
        self._nodes: dict[str, Callable[..., Awaitable[Any]]] = {}
        self._edges: list[_Edge] = []
        self._starts: list[str] = []
        self._ends: list[str] = []

    def add_node(self, name: str, action: Callable[..., Awaitable[Any]]) -> Self:
        """Add a task under a name. Raises `GraphError` when the name is taken."""
        if name in self._nodes:
            raise GraphError(f"Node '{name}' is in the graph already.")
        self._nodes[name] = action
        return self

    def add_edge(self, source: str, target: str, condition: Condition | None = None) -> Self:
        """Let the output of one node flow into another, always or on a condition (sync or async)."""
        for node in (source, target):
            self._known(node)
        self._edges.append(_Edge(source, target, condition))
        return self

    def start_with(self, node: str) -> Self:
        """Give the graph's input to this node."""
        self._known(node)
        self._starts.append(node)
        return self

    def end_with(self, node: str) -> Self:
        """Take the graph's output from this node."""
        self._known(node)
        self._ends.append(node)
        return self

    def validate(self) -> Self:
        """Raises `GraphError` for a missing start or end, a cycle, or a node that nothing reaches."""
        if not self._starts:
            raise GraphError(f"Graph '{self.name}' has no starting node.", hint="Name one with `start_with`.")
        if not self._ends:
            raise GraphError(f"Graph '{self.name}' has no ending node.", hint="Name one with `end_with`.")
        self._check_cycles()
        reached = self._reached()
        for node in self._nodes:
            if node not in reached:
                raise GraphError(f"Node '{node}' cannot be reached from a starting node.")
        return self

    async def __call__(self, input: Any = None) -> Any:
        """Run the graph: the output of its ending node; a list when several ended it."""
        self.validate()
        location = caller_location()

        async def body() -> Any:
            frame = current_frame()
            return await _Run(self, frame, input).finish()

        return await perform(f"graph_{self.name}", (input,), {"input": input}, body, location)

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

    def _reached(self) -> set[str]:
        reached, waiting = set(self._starts), list(self._starts)
        while waiting:
            current = waiting.pop()
            for edge in self._edges:
                if edge.source == current and edge.target not in reached:
                    reached.add(edge.target)
                    waiting.append(edge.target)
        return reached


@dataclass
class _Run:
    """One run of a graph."""

    graph: Graph
    frame: Frame
    input: Any
    outputs: dict[str, Any] = field(default_factory=dict)
    taken: dict[_Edge, bool] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    running: dict[asyncio.Task[Any], str] = field(default_factory=dict)

    async def finish(self) -> Any:
        """Run node after node until none is left."""
        for node in self.graph._starts:
            self._start(node, (self.input,))
        while self.running:
            done, _ = await asyncio.wait(self.running, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=list(self.running).index):
                await self._take(task)
        ended = [self.outputs[node] for node in self.graph._ends if node in self.outputs]
        return ended[0] if len(ended) == 1 else ended or None

    def _start(self, node: str, args: tuple[Any, ...]) -> None:
        index = list(self.graph._nodes).index(node)
        frame = self.frame.branch(f"node.{node}", index)
        self.running[spawn(frame, lambda: self.graph._nodes[node](*args))] = node

    async def _take(self, task: asyncio.Task[Any]) -> None:
        node = self.running.pop(task)
        if task.cancelled() or task.exception() is not None:
            if self.running:
                await settle(list(self.running))
            self.running.clear()
        self.outputs[node] = task.result()
        for edge in self.graph._edges:
            if edge.source == node:
                self.taken[edge] = await _holds(edge, self.outputs[node])
        self._advance()

    def _advance(self) -> None:
        """Start what is complete, skip what nothing leads to; skipping may decide further nodes."""
        changed = True
        while changed:
            changed = False
            for node in self.graph._nodes:
                incoming = [edge for edge in self.graph._edges if edge.target == node]
                if not incoming or self._settled(node) or not all(edge in self.taken for edge in incoming):
                    continue
                changed = True
                args = tuple(self.outputs[edge.source] for edge in incoming if self.taken[edge])
                if args:
                    self._start(node, args)
                else:
                    self._skip(node)

    def _skip(self, node: str) -> None:
        self.skipped.add(node)
        for edge in self.graph._edges:
            if edge.source == node:
                self.taken[edge] = False

    def _settled(self, node: str) -> bool:
        started = node in self.outputs or node in self.running.values()
        return started or node in self.skipped or node in self.graph._starts


async def _holds(edge: _Edge, output: Any) -> bool:
    if edge.condition is None:
        return True
    held = edge.condition(output)
    return bool(await held if inspect.isawaitable(held) else held)
