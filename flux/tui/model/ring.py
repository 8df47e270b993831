"""A bounded list that keeps counting: positions never change when old items fall off the front."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")


class Ring(Generic[T]):
    """The newest `limit` items; item `n` keeps its number for as long as it is kept.

    Example:
        >>> ring = Ring[str](2)
        >>> ring.extend("abc")
        >>> ring.start, ring.end, ring[2]
        (1, 3, 'c')
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.start = 0
        self._items: deque[T] = deque()

    @property
    def end(self) -> int:
        """Number the next item will get."""
        return self.start + len(self._items)

    def append(self, item: T) -> None:
        """Add one, dropping the oldest when full."""
        self._items.append(item)
        if len(self._items) > self.limit:
            self._items.popleft()
            self.start += 1

    def extend(self, items: Iterable[T]) -> None:
        """Add several."""
        for item in items:
            self.append(item)

    def clear(self) -> None:
        """Drop all; numbering goes on."""
        self.start = self.end
        self._items.clear()

    def __getitem__(self, number: int) -> T:
        if not self.start <= number < self.end:
            raise IndexError(number)
        return self._items[number - self.start]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def since(self, number: int) -> list[T]:
        """All kept items from `number` on."""
        return list(islice(self._items, max(0, number - self.start), None))
