"""The terminal belongs to the dashboard while it is open; whatever else is written becomes lines."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Self, TextIO


class TerminalTakeover:
    """Keeps stray output off the screen.

    The dashboard paints to `sys.__stderr__` and measures `sys.__stdout__`. Those become private
    duplicates of the terminal, whichever of the two leads there (`2> errors.log`), and descriptors 1 and 2
    lead into a pipe: what C code, child processes and early log handlers write can be read from `reader`
    instead of landing on the screen. Everything is put back on exit, whatever happened.

    Attributes:
        reader: non-blocking descriptor of the stray output; valid inside the block.

    Example:
        >>> with TerminalTakeover() as terminal:  # doctest: +SKIP
        ...     loop.add_reader(terminal.reader, lambda: show(terminal.read()))
    """

    def __init__(self) -> None:
        self.reader = -1
        self._saved: tuple[int, int] = (-1, -1)
        self._originals: tuple[TextIO | None, TextIO | None] = (None, None)

    def __enter__(self) -> Self:
        _flush()
        self._saved = os.dup(1), os.dup(2)
        self._originals = sys.__stdout__, sys.__stderr__
        self._point_private_streams()
        self.reader, writer = os.pipe()
        os.set_blocking(self.reader, False)
        # A full pipe must not stop whoever writes: its words are lost rather than its time.
        os.set_blocking(writer, False)
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        os.close(writer)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _flush()
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                stream.close()
        sys.__stdout__, sys.__stderr__ = self._originals  # type: ignore[misc,assignment]  # Final in typeshed
        for descriptor, saved in zip((1, 2), self._saved, strict=True):
            os.dup2(saved, descriptor)
            os.close(saved)
        os.close(self.reader)
        self.reader = -1

    def read(self) -> list[str]:
        """Lines that came in since the last call; never blocks."""
        try:
            data = os.read(self.reader, 1 << 16)
        except BlockingIOError:
            return []
        return data.decode(errors="replace").splitlines()

    def _point_private_streams(self) -> None:
        out, err = self._saved
        ends = (_terminal(out, err), _terminal(err, out))
        streams = [os.fdopen(os.dup(end), "w", buffering=1, encoding="utf-8") for end in ends]
        sys.__stdout__, sys.__stderr__ = streams  # type: ignore[misc]  # Final in typeshed


def _terminal(own: int, other: int) -> int:
    """The descriptor itself, unless only the other one is a terminal."""
    return other if os.isatty(other) and not os.isatty(own) else own


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
