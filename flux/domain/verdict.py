"""What came of replaying a stored history against code, without a side effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from flux.errors import NonDeterminismError


class Outcome(StrEnum):
    """Where replayed code arrives."""

    ENDS = "ends"
    GOES_ON = "goes_on"
    WAITS = "waits"
    DIVERGES = "diverges"
    UNDECIDED = "undecided"
    UNLOADABLE = "unloadable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of one dry replay.

    Attributes:
        outcome: `ends` (as recorded, or for the first time), `goes_on` (would do something new), `waits`,
            `diverges`, `undecided` (the replay could not be brought to an end), `unloadable` (the code
            cannot be imported, or does not have the workflow).
        detail: one sentence.
        location: `file:line` of the call that comes next, or "".
        divergence: the members of the `NonDeterminismError` (`recorded`, `attempted`, …) when it diverges.

    Example:
        >>> verdict = Verdict(Outcome.WAITS, "waits at pause 'approval'", "/srv/order.py:7")
        >>> verdict.is_consistent
        True
    """

    outcome: Outcome
    detail: str = ""
    location: str = ""
    divergence: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_consistent(self) -> bool:
        """Whether the code does what the history says, as far as the history goes."""
        return self.outcome in _CONSISTENT

    @property
    def error(self) -> NonDeterminismError | None:
        """The divergence as the error that a real replay would stop with."""
        return NonDeterminismError(**self.divergence) if self.outcome is Outcome.DIVERGES else None


_CONSISTENT = frozenset({Outcome.ENDS, Outcome.GOES_ON, Outcome.WAITS})


def diverges(error: NonDeterminismError) -> Verdict:
    """The verdict for a divergence."""
    members = {name: str(value) for name, value in error.extra().items()}
    return Verdict(Outcome.DIVERGES, str(error), error.attempted_at or error.recorded_at, members)
