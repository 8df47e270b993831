"""Answers that are given to pauses as soon as these open."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final

from flux.domain import PendingWait


class _Special(Enum):
    UNANSWERED = "UNANSWERED"

    def __repr__(self) -> str:
        return self.name


UNANSWERED: Final = _Special.UNANSWERED
"""In place of an answer: nobody gives one, and the pause runs into its timeout."""


class Answers:
    """Answers by the names of the pauses, each used once, in order."""

    def __init__(self) -> None:
        self._queued: dict[str, deque[Any]] = {}

    def add(self, name: str, answers: Sequence[Any]) -> None:
        """Queue answers for the pauses of that name."""
        self._queued.setdefault(name, deque()).extend(answers)

    def take(self, waits: Sequence[PendingWait]) -> tuple[PendingWait, Any] | None:
        """The next answer that fits one of the open waits; being left alone comes last."""
        ready = [wait for wait in waits if self._queued.get(wait.name)]
        ready.sort(key=lambda wait: self._queued[wait.name][0] is UNANSWERED)
        return (ready[0], self._queued[ready[0].name].popleft()) if ready else None


def resolved(answer: Any, shown: Any) -> Any:
    """The answer itself, or what it makes of what the pause shows."""
    return answer(shown) if callable(answer) else answer
