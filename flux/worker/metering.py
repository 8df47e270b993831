"""Turning endless output into a bounded number of lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Allow = Callable[[int], int]
"""How many of so many lines may pass."""


@dataclass(frozen=True, slots=True)
class OutputLimits:
    """How much captured output is passed on.

    Attributes:
        burst: lines of one execution that pass at once.
        rate: lines per second of one execution after that.
        line: characters of a line; the rest of it is cut.
        interval: seconds between batches.
    """

    burst: int = 5_000
    rate: int = 500
    line: int = 4_096
    interval: float = 0.05


class Meter:
    """A token bucket that stays shut, once empty, until a second's worth of lines is back.

    Example:
        >>> meter = Meter(OutputLimits(burst=2, rate=1), now=0.0)
        >>> meter.take(5, now=0.0), meter.take(1, now=0.5), meter.take(1, now=1.0)
        (2, 0, 1)
        >>> meter.settle()
        4
    """

    def __init__(self, limits: OutputLimits, now: float) -> None:
        self._limits = limits
        self._tokens = float(limits.burst)
        self._at = now
        self._opens_at = now
        self.dropped = 0

    def take(self, lines: int, now: float) -> int:
        """How many of `lines` may pass; the others are counted as dropped."""
        if now < self._opens_at:
            self.dropped += lines
            return 0
        self._tokens = min(float(self._limits.burst), self._tokens + (now - self._at) * self._limits.rate)
        self._at = now
        allowed = min(lines, int(self._tokens))
        self._tokens -= allowed
        if allowed < lines:
            self._opens_at = now + 1.0 - self._tokens / self._limits.rate
            self.dropped += lines - allowed
        return allowed

    def is_open(self, now: float) -> bool:
        """Whether a line would pass now; then it is time to tell what was dropped before."""
        return now >= self._opens_at

    def settle(self) -> int:
        """Lines dropped since the last call."""
        dropped, self.dropped = self.dropped, 0
        return dropped


class LineBuffer:
    """Cuts text into lines, keeping an unfinished one for the next write.

    Example:
        >>> buffer = LineBuffer(limit=5)
        >>> buffer.feed("ab", lambda lines: lines), buffer.feed("c\\nlonger than that\\nx", lambda lines: lines)
        ([], ['abc', 'longe…'])
        >>> buffer.rest()
        'x'
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._partial = ""

    def feed(self, text: str, allow: Allow) -> list[str]:
        """The lines that `text` completes, of which only as many are made as `allow` lets pass."""
        if "\n" not in text:
            self.keep(text)
            return []
        complete = text.count("\n")
        allowed = allow(complete)
        lines = text.split("\n", allowed)
        tail = lines.pop()
        if lines:
            lines[0] = self._partial + lines[0]
        self._partial = ""
        self.keep(tail[tail.rfind("\n") + 1 :])
        return [self._cut(line) for line in lines]

    def rest(self) -> str:
        """The unfinished line, which is then forgotten."""
        partial, self._partial = self._cut(self._partial), ""
        return partial

    def keep(self, text: str) -> None:
        """Add to the unfinished line; what is beyond the limit is not kept."""
        if (room := self._limit + 1 - len(self._partial)) > 0:
            self._partial += text[:room]

    def _cut(self, line: str) -> str:
        line = line.removesuffix("\r")
        return line if len(line) <= self._limit else line[: self._limit] + "…"


def dropped_text(count: int) -> str:
    """The line that stands for those that were dropped.

    Example:
        >>> dropped_text(1200)
        '… 1,200 lines dropped'
    """
    return f"… {count:,} {'line' if count == 1 else 'lines'} dropped"
