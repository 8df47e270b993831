"""How values are written: states, ages, durations, short ids, one-line JSON."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from flux.domain.events import ExecutionState
from flux.tui.model.text import clean

_S = ExecutionState

STATES: dict[ExecutionState, tuple[str, str, str]] = {
    _S.CREATED: ("◌", "queued", "dim"),
    _S.SCHEDULED: ("◌", "queued", "dim"),
    _S.CLAIMED: ("◌", "starting", "run"),
    _S.RUNNING: ("●", "running", "run"),
    _S.PAUSED: ("◐", "paused", "wait"),
    _S.RESUMING: ("◐", "resuming", "run"),
    _S.RESUME_SCHEDULED: ("◐", "resuming", "run"),
    _S.RESUME_CLAIMED: ("◐", "resuming", "run"),
    _S.COMPLETED: ("✓", "done", "good"),
    _S.FAILED: ("✗", "failed", "bad"),
    _S.CANCELLING: ("⊘", "cancelling", "wait"),
    _S.CANCELLED: ("⊘", "cancelled", "dim"),
}
"""Glyph, word and style of each state; never colour alone."""


def state_text(state: ExecutionState) -> str:
    """Glyph and word.

    Example:
        >>> state_text(ExecutionState.PAUSED)
        '◐ paused'
    """
    glyph, word, _ = STATES[state]
    return f"{glyph} {word}"


def state_style(state: ExecutionState) -> str:
    """Name of the style of a state."""
    return STATES[state][2]


def short_id(execution_id: str) -> str:
    """The first eight characters that tell executions apart.

    Example:
        >>> short_id("7f3a91c2d4e84b7e")
        '7f3a91c2'
    """
    return clean(execution_id)[:8]


def duration(seconds: float) -> str:
    """At most five columns up to a day.

    Example:
        >>> duration(0.0042), duration(4.13), duration(125), duration(7300)
        ('4ms', '4.1s', '2m05s', '2h01m')
    """
    if seconds < 0:
        seconds = 0
    if seconds < 0.9995:
        return f"{round(seconds * 1000)}ms"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def age(moment: datetime, now: datetime) -> str:
    """Time since, in one unit.

    Example:
        >>> from datetime import UTC
        >>> age(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 2, 5, tzinfo=UTC))
        '2h'
    """
    seconds = max(0, int((now - moment).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def clock_time(moment: datetime) -> str:
    """Time of day in the local zone: `12:04:31`."""
    return moment.astimezone().strftime("%H:%M:%S")


def took(started: datetime | None, finished: datetime | None, now: datetime) -> str:
    """How long it ran, or has been running; `—` before it started."""
    if started is None:
        return "—"
    return duration(((finished or now) - started) / timedelta(seconds=1))


def preview(value: Any, limit: int = 200) -> str:
    """A value on one line, as JSON; values that only Python can open show their own preview.

    Example:
        >>> preview({"order": 7})
        '{"order": 7}'
    """
    if isinstance(value, dict) and "$type" in value and "preview" in value:
        return clean(str(value["preview"]))[:limit]
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        text = repr(value)
    return clean(text[: limit + 1])[:limit]


def failure(value: Any) -> str:
    """The output of a failed execution or task, in one line."""
    if isinstance(value, dict) and "message" in value:
        kind = str(value.get("type") or "").rpartition(".")[2]
        text = str(value["message"])
        return clean(text if not kind or text.startswith(kind) else f"{kind}: {text}")
    return preview(value)


def workflow_label(ref: str, version: int) -> str:
    """`shop/order v4`; the namespace `default` is left out."""
    name = clean(ref.removeprefix("default/"))
    return f"{name} v{version}" if version else name


def ref_of(namespace: str, workflow: str) -> str:
    """`namespace/name`, also when the name has it already."""
    return workflow if "/" in workflow else f"{namespace}/{workflow}"
