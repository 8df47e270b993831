"""Records: values that are made by the hundred thousand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """A dataclass that is never changed, for what an execution has thousands of.

    The type checker refuses assignments as it does for `dataclass(frozen=True)`; at run time nothing guards them,
    which makes instances four times as fast.

    Example:
        >>> @record
        ... class Point:
        ...     x: int
        ...     y: int = 0
        >>> Point(1), Point(1) == Point(1, 0), len({Point(1), Point(1)})
        (Point(x=1, y=0), True, 1)
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
