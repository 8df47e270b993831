"""Built-in tasks: recorded time, ids and chance, durable sleep, pause, and ways to combine tasks."""

from flux.tasks.chance import choice, now, randint, randrange, uuid4
from flux.tasks.combine import parallel, pipeline
from flux.tasks.waiting import pause, sleep

__all__ = ["choice", "now", "parallel", "pause", "pipeline", "randint", "randrange", "sleep", "uuid4"]
