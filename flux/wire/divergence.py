"""How a divergence is told to people, on the command line and in the dashboard alike."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def told(members: Mapping[str, Any], base: Path | None = None) -> list[tuple[str, str, str]]:
    """(what, text, `file:line` or "") of a divergence: the recorded call, what the code does now, the likely cause.

    Args:
        members: of the problem document, of the error's plain form, or of a verdict.
        base: places below this folder are shown from there.

    Example:
        >>> told({"recorded": "charge()", "recorded_at": "/srv/order.py:7", "attempted": "", "cause": "removed"})
        [('recorded', 'charge()', '/srv/order.py:7'), ('now', 'nothing more', ''), ('cause', 'removed', '')]
    """
    if "recorded" not in members:
        return []
    return [
        ("recorded", str(members["recorded"]), place(members.get("recorded_at"), base)),
        ("now", str(members.get("attempted") or "nothing more"), place(members.get("attempted_at"), base)),
        ("cause", str(members.get("cause") or "unknown"), ""),
    ]


def place(location: Any, base: Path | None = None) -> str:
    """`file:line` as short as it can be found from `base`."""
    text = str(location or "")
    return text.removeprefix(f"{base}{os.sep}") if base is not None else text
