"""Time, ids and chance, recorded once: a replay sees the same values."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from flux.clock import to_datetime
from flux.engine.frame import current_frame
from flux.engine.task import task

T = TypeVar("T")


@task
async def now() -> datetime:
    """The present moment, as an aware datetime in UTC."""
    return to_datetime(current_frame().session.clock.now())


@task
async def uuid4() -> uuid.UUID:
    """A random UUID."""
    return uuid.uuid4()


@task
async def choice(options: Sequence[T]) -> T:
    """One of the options."""
    return random.choice(options)


@task
async def randint(a: int, b: int) -> int:
    """A whole number from `a` to `b`, both included."""
    return random.randint(a, b)


@task
async def randrange(start: int, stop: int | None = None, step: int = 1) -> int:
    """A number of `range(start, stop, step)`, or of `range(start)`."""
    return random.randrange(start) if stop is None else random.randrange(start, stop, step)
