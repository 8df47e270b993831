"""What the pty tests run: the dashboard on a server in memory, on a real terminal."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from flux.dev.terminal import TerminalTakeover
from flux.tui.app import FluxApp
from flux.tui.run import run_dashboard
from tests.tui.fake import FakeApi, populate


async def noise() -> None:
    """Write to descriptor 2 by number, as C code does, and from a child."""
    os.write(2, b"RAW-FD-2\n")
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "print('CHILD-STDOUT')")
    await child.wait()


def main() -> int:
    """Run until left."""
    app = FluxApp(populate(FakeApi()))
    if "takeover" in sys.argv:
        with TerminalTakeover() as terminal:
            return run_dashboard(app, stray=terminal.reader, beside=noise)
    return run_dashboard(app)


if __name__ == "__main__":
    code = main()
    print("BACK-ON-THE-TERMINAL", flush=True)
    sys.exit(code)
