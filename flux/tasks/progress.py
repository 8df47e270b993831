"""`progress`: values of a running task for whoever watches."""

from __future__ import annotations

import json
from typing import Any

from flux.codec import to_plain
from flux.engine.frame import current_frame


async def progress(value: Any) -> None:
    """Stream a value of the running task. It is never stored, and may be dropped under load.

    What JSON cannot carry is shown as it is in events.

    Example:
        >>> async def load(rows):
        ...     for done, row in enumerate(rows):
        ...         await progress({"done": done, "of": len(rows)})
    """
    frame = current_frame()
    if frame.session.releaser.open and not frame.session.dropped:
        shown = to_plain(frame.session.recorder.encode_step(value))
        frame.session.journal.progress(frame.call_id, frame.name, json.dumps(shown))
