"""The real driver on a real terminal: it paints, it gives the terminal back, it keeps stray output off the screen."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
import pytest

APP = Path(__file__).with_name("pty_app.py")
TIMEOUT = 30.0


class Terminal:
    """A pty with a process on it, read through an emulator."""

    def __init__(self, *arguments: str) -> None:
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.screen = pyte.Screen(80, 24)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        environment = os.environ | {"TERM": "xterm-256color", "TEXTUAL_ANIMATIONS": "none", "COLORTERM": "truecolor"}
        self.process = subprocess.Popen(
            [sys.executable, str(APP), *arguments],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env=environment,
            start_new_session=True,
        )

    def until(self, condition: Callable[[], bool]) -> None:
        """Read until the condition holds."""
        end = time.monotonic() + TIMEOUT
        while not condition():
            assert time.monotonic() < end, self.text
            if select.select([self.master], [], [], 0.05)[0]:
                data = os.read(self.master, 65536)
                self.raw += data
                # The emulator does not know the kitty keyboard protocol's private sequences.
                self.stream.feed(data.replace(b"\x1b[>1u", b"").replace(b"\x1b[<u", b""))

    def shows(self, text: str) -> None:
        self.until(lambda: text in self.text)

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    @property
    def left_alternate_screen(self) -> bool:
        return self.raw.rfind(b"\x1b[?1049l") > self.raw.rfind(b"\x1b[?1049h")

    @property
    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def ended(self) -> int:
        self.until(lambda: self.process.poll() is not None and b"BACK-ON-THE-TERMINAL" in self.raw)
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(request: pytest.FixtureRequest) -> Iterator[Terminal]:
    found = Terminal(*getattr(request, "param", ()))
    yield found
    found.close()


def test_paints_and_q_gives_the_terminal_back(terminal):
    terminal.shows("shop/order v4")
    assert not terminal.echoes
    os.write(terminal.master, b"q")
    assert terminal.ended() == 0
    assert terminal.left_alternate_screen
    assert terminal.echoes


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_give_the_terminal_back(terminal, number):
    terminal.shows("shop/order v4")
    terminal.process.send_signal(number)
    assert terminal.ended() == 0
    assert terminal.left_alternate_screen
    assert terminal.echoes


@pytest.mark.parametrize("terminal", [(), ("takeover",)], indirect=True, ids=["plain", "takeover"])
def test_stream_mode_prints_plain_lines_and_comes_back(terminal):
    terminal.shows("shop/order v4")
    os.write(terminal.master, b"s")
    terminal.shows("live from here")
    assert terminal.left_alternate_screen
    os.write(terminal.master, b"s")
    terminal.until(lambda: not terminal.left_alternate_screen)
    terminal.shows("Executions")
    os.write(terminal.master, b"q")
    assert terminal.ended() == 0


@pytest.mark.parametrize("terminal", [("takeover",)], indirect=True)
def test_stray_output_lands_in_the_logs(terminal):
    terminal.shows("shop/order v4")
    os.write(terminal.master, b"4")
    terminal.shows("CHILD-STDOUT")
    row = next(line for line in terminal.screen.display if "RAW-FD-2" in line)
    assert "WARN" in row
    os.write(terminal.master, b"q")
    assert terminal.ended() == 0
