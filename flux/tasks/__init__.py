"""Built-in tasks: recorded time, ids and chance, durable sleep, pause, and ways to combine tasks."""

from typing import TYPE_CHECKING, Any

from flux.tasks.chance import choice, now, randint, randrange, uuid4
from flux.tasks.child import call
from flux.tasks.combine import parallel, pipeline
from flux.tasks.progress import progress
from flux.tasks.waiting import pause, sleep

if TYPE_CHECKING:
    from flux.tasks.graph import Graph

__all__ = [
    "Graph",
    "call",
    "choice",
    "now",
    "parallel",
    "pause",
    "pipeline",
    "progress",
    "randint",
    "randrange",
    "sleep",
    "uuid4",
]


def __getattr__(name: str) -> Any:
    """`Graph` comes with asyncio, which nothing else here needs before a workflow runs."""
    if name == "Graph":
        from flux.tasks.graph import Graph

        return Graph
    raise AttributeError(f"module 'flux.tasks' has no attribute {name!r}")
