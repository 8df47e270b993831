"""What a pane shows instead of its rows, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PaneState(StrEnum):
    """How a pane stands."""

    READY = "ready"
    LOADING = "loading"
    EMPTY = "empty"
    FILTERED = "filtered"
    ERROR = "error"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class Pane:
    """A state with the sentence shown for it.

    Attributes:
        message: what is the matter, and the next key.
        dimmed: rows are shown, but may be out of date.
    """

    state: PaneState
    message: str = ""
    dimmed: bool = False


def pane_of(
    *, rows: int, total: int, loaded: bool, connected: bool, error: str = "", query: str = "", empty: str = ""
) -> Pane:
    """The state of a list pane.

    Args:
        rows: shown after the filter.
        total: before the filter.
        loaded: the first answer of the server has arrived.
        error: what failed at the last fetch, or "".
        query: the filter's text, or "".
        empty: what to say when there is nothing at all.

    Example:
        >>> pane_of(rows=0, total=9, loaded=True, connected=True, query="shop").message
        '0 of 9 match “shop” · esc clears the filter'
    """
    if rows:
        return Pane(PaneState.READY if connected else PaneState.DISCONNECTED, dimmed=not connected or bool(error))
    if error:
        return Pane(PaneState.ERROR, f"{error} · ctrl+l tries again")
    if not connected:
        return Pane(PaneState.DISCONNECTED, "The server does not answer yet · reconnecting")
    if not loaded:
        return Pane(PaneState.LOADING, "Loading …")
    if total:
        return Pane(PaneState.FILTERED, f"0 of {total:,} match “{query}” · esc clears the filter")
    return Pane(PaneState.EMPTY, empty)
