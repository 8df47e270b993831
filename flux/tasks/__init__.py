"""Built-in tasks: recorded time, ids and chance, durable sleep, pause, and ways to combine tasks."""

from flux.tasks.chance import choice, now, randint, randrange, uuid4
from flux.tasks.child import call
from flux.tasks.combine import parallel, pipeline
from flux.tasks.graph import Graph
from flux.tasks.progress import progress
from flux.tasks.waiting import pause, sleep

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
