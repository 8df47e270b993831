"""Explains how replayed code departs from its history."""

from __future__ import annotations

from flux.domain import EventRecord
from flux.engine.calls import Call
from flux.engine.history import History
from flux.errors import NonDeterminismError


def describe_divergence(history: History, missing: str | None, attempted: Call | None) -> NonDeterminismError:
    """The error for the first recorded call that the code does not make.

    Args:
        missing: id of that call.
        attempted: the first call that the code makes instead, or None when it ends or stops.
    """
    recorded = history.calls[missing].first if missing else None
    return NonDeterminismError(
        recorded=_called(recorded),
        recorded_at=recorded.location if recorded else "",
        attempted=f"{attempted.name}({_shown(attempted)})" if attempted else "",
        attempted_at=attempted.location if attempted else "",
        cause=_cause(recorded, attempted),
    )


def _called(record: EventRecord | None) -> str:
    return f"{record.name} (event {record.seq})" if record else "more events"


def _shown(call: Call) -> str:
    text = ", ".join(f"{name}={_repr(value)}" for name, value in call.arguments.items())
    return text if len(text) <= 60 else text[:57] + "…"


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _cause(recorded: EventRecord | None, attempted: Call | None) -> str:
    """A guess that helps: the commonest reasons leave typical traces."""
    if recorded is None or attempted is None:
        return "a call was removed, or a condition depends on something that is not recorded"
    if recorded.name == attempted.name and recorded.digest != attempted.digest:
        return (
            "its arguments changed; a clock, random or outside value reaches them without `now()`, `uuid4()` or a task"
        )
    if recorded.location == attempted.location and recorded.digest == attempted.digest:
        return "the task was renamed"
    return "calls were added, removed or reordered"
