"""The log lines that pass a filter, kept up to date without looking at old lines again."""

from __future__ import annotations

from bisect import bisect_left

from flux.tui.model.filters import Query, match_log
from flux.tui.model.ring import Ring
from flux.wire.models import LogModel


class LogRows:
    """A filtered window on a ring.

    Attributes:
        items: the lines that pass, oldest first.
        dropped: how many lines that passed fell off the front.
    """

    def __init__(self) -> None:
        self.items: list[LogModel] = []
        self.dropped = 0
        self._numbers: list[int] = []
        self._seen = 0
        self._query = Query()

    def update(self, ring: Ring[LogModel], query: Query) -> bool:
        """Take in what is new; says whether anything changed."""
        changed = False
        if query != self._query:
            self.items, self._numbers, self._seen, self._query, changed = [], [], 0, query, True
        gone = bisect_left(self._numbers, ring.start)
        if gone:
            del self.items[:gone], self._numbers[:gone]
            self.dropped += gone
            changed = True
        start = max(self._seen, ring.start)
        for number, log in enumerate(ring.since(start), start):
            if not query or match_log(query, log):
                self.items.append(log)
                self._numbers.append(number)
                changed = True
        self._seen = ring.end
        return changed
