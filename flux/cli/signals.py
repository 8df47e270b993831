"""What Ctrl+C and SIGTERM do to a command that runs until it is stopped."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def on_signals(act: Callable[[], None]) -> None:
    """Call `act` in the running loop at every SIGINT, SIGTERM and SIGHUP, instead of what they did before."""
    loop = asyncio.get_running_loop()
    for number in NUMBERS:
        loop.add_signal_handler(number, act)
