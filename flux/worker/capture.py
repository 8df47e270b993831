"""What user code prints and logs, as lines that know their execution and task."""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from flux.clock import Clock
from flux.codec import Redactor
from flux.domain import LogLine
from flux.engine.context import current_call
from flux.worker.metering import LineBuffer, Meter, OutputLimits, dropped_text

_LEVELS = {"stdout": "INFO", "stderr": "WARNING"}
_KNOWN = frozenset({"DEBUG", "INFO", "WARNING", "ERROR"})
_Key = tuple[str, str, str]


class Capture:
    """Collects lines from all threads and passes them on in batches.

    The first line after a silence goes at once, later ones with the next batch, so that what was said
    just before a crash is known and a flood costs little. Lines beyond the limits are counted, not kept.

    Args:
        send: takes a batch; called from any thread.
        later: calls a function after some seconds, from any thread.

    Attributes:
        redactor: knows what must not get out.
    """

    def __init__(
        self,
        send: Callable[[tuple[LogLine, ...]], None],
        later: Callable[[float, Callable[[], None]], None],
        clock: Clock,
        limits: OutputLimits | None = None,
    ) -> None:
        self.redactor = Redactor()
        self._send = send
        self._later = later
        self._clock = clock
        self._limits = limits or OutputLimits()
        # Re-entrant: a destructor or signal handler may print while the lock is held.
        self._lock = threading.RLock()
        self._buffers: dict[_Key, LineBuffer] = {}
        self._meters: dict[str, Meter] = {}
        self._batch: list[LogLine] = []
        self._sent_at = 0.0
        self._armed = False

    def write(self, source: str, text: str) -> None:
        """Text from `print` and the like; whole lines are passed on, the rest waits for its end."""
        execution_id, task = current_call() or ("", "")
        key = (execution_id, task, source)
        text = self.redactor.redact(text)  # here, since it may have several lines
        with self._lock:
            buffer = self._buffers.get(key)
            if buffer is None:
                buffer = self._buffers[key] = LineBuffer(self._limits.line)
            if "\n" not in text:
                buffer.keep(text)
                return
            now = time.monotonic()
            meter = self._meter(execution_id, now)
            lines = buffer.feed(text, lambda count: self._take(meter, execution_id, count, now))
            if lines:
                self._add(key, _LEVELS.get(source, "INFO"), lines)
            self._pass_on(now)

    def log(self, level: str, logger: str, text: str) -> None:
        """A log record; each of its lines stands alone."""
        execution_id, task = current_call() or ("", "")
        now = time.monotonic()
        lines = self.redactor.redact(text).splitlines() or [""]
        logger = self.redactor.redact(logger)
        with self._lock:
            allowed = self._take(self._meter(execution_id, now), execution_id, len(lines), now)
            cut = [line[: self._limits.line] for line in lines[:allowed]]
            self._add((execution_id, task, logger), level, cut)
            self._pass_on(now)

    def finish(self, execution_id: str) -> None:
        """Pass on everything of an execution that leaves, its unfinished lines too."""
        with self._lock:
            for key in [key for key in self._buffers if key[0] == execution_id]:
                self._add_rest(key, self._buffers.pop(key))
            meter = self._meters.pop(execution_id, None)
            if meter is not None:
                self._tell_dropped(execution_id, meter)
            self.flush()

    def flush(self) -> None:
        """Pass on the lines that are complete."""
        now = time.monotonic()
        with self._lock:
            for execution_id, meter in self._meters.items():
                if meter.dropped and meter.is_open(now):
                    self._tell_dropped(execution_id, meter)
            if self._batch:
                self._sent_at = now
                batch, self._batch = tuple(self._batch), []
                self._send(batch)

    def flush_all(self) -> None:
        """Pass on everything, unfinished lines too; for the end of the process."""
        with self._lock:
            for key, buffer in self._buffers.items():
                self._add_rest(key, buffer)
            for execution_id, meter in self._meters.items():
                self._tell_dropped(execution_id, meter)
            self.flush()

    def _take(self, meter: Meter, execution_id: str, count: int, now: float) -> int:
        if meter.dropped and meter.is_open(now):
            self._tell_dropped(execution_id, meter)
        return meter.take(count, now)

    def _tell_dropped(self, execution_id: str, meter: Meter) -> None:
        if dropped := meter.settle():
            self._add((execution_id, "", "worker"), "WARNING", [dropped_text(dropped)])

    def _add_rest(self, key: _Key, buffer: LineBuffer) -> None:
        if rest := buffer.rest():
            self._add(key, _LEVELS.get(key[2], "INFO"), [rest])

    def _add(self, key: _Key, level: str, lines: Sequence[str]) -> None:
        execution_id, task, source = key
        moment = self._clock.now()
        if self.redactor.active:
            lines = [self.redactor.redact(line) for line in lines]  # here, since it may come piece by piece
        self._batch.extend(LogLine(moment, level, source, line, execution_id, task) for line in lines)

    def _pass_on(self, now: float) -> None:
        """Send now or soon; the timer is set even for lines that were dropped, so that this is told."""
        if self._batch and now - self._sent_at >= self._limits.interval:
            self.flush()
        if not self._armed:
            self._armed = True
            self._later(self._limits.interval, self._wake)

    def _wake(self) -> None:
        with self._lock:
            self._armed = False
            self.flush()
            if any(meter.dropped for meter in self._meters.values()):
                self._armed = True
                self._later(1.0, self._wake)

    def _meter(self, execution_id: str, now: float) -> Meter:
        meter = self._meters.get(execution_id)
        if meter is None:
            meter = self._meters[execution_id] = Meter(self._limits, now)
        return meter


class CapturedStream(io.TextIOBase):
    """Stands for `sys.stdout` or `sys.stderr`."""

    def __init__(self, capture: Capture, source: str, fd: int) -> None:
        self._capture = capture
        self._source = source
        self._fd = fd
        self.buffer = _CapturedBytes(self)
        self.name = f"<{source}>"

    @property
    def encoding(self) -> str:  # type: ignore[override]  # the base class declares a plain attribute
        """Always UTF-8."""
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]  # the base class declares a plain attribute
        """How undecodable bytes are treated."""
        return "replace"

    def write(self, text: str) -> int:
        """Capture `text` for the running call."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._capture.write(self._source, text)
        return len(text)

    def writable(self) -> bool:
        """Yes."""
        return True

    def isatty(self) -> bool:
        """No: nobody sits here."""
        return False

    def fileno(self) -> int:
        """The process's own descriptor, for code that hands it to a subprocess."""
        return self._fd

    def flush(self) -> None:
        """Nothing is held back for long."""


class _CapturedBytes(io.RawIOBase):
    """`sys.stdout.buffer`: bytes are read as UTF-8."""

    def __init__(self, stream: CapturedStream) -> None:
        self._stream = stream

    def write(self, data: Any) -> int:
        chunk = bytes(data)
        self._stream.write(chunk.decode("utf-8", "replace"))
        return len(chunk)

    def writable(self) -> bool:
        return True


class LogHandler(logging.Handler):
    """Passes log records of user code on, with their level and logger."""

    def __init__(self, capture: Capture) -> None:
        super().__init__()
        self._capture = capture

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: a broken log call must not fail a task."""
        try:
            level = record.levelname if record.levelname in _KNOWN else _level(record.levelno)
            self._capture.log(level, record.name, self.format(record))
        except Exception:
            self.handleError(record)


def install(capture: Capture) -> None:
    """Route prints, logging and the last words before `os._exit` of this process into `capture`."""
    sys.stdout = CapturedStream(capture, "stdout", 1)
    sys.stderr = CapturedStream(capture, "stderr", 2)
    root = logging.getLogger()
    root.addHandler(LogHandler(capture))
    root.setLevel(logging.INFO)
    leave = os._exit

    def exit_after_flush(status: int) -> None:
        capture.flush_all()
        leave(status)

    os._exit = exit_after_flush  # type: ignore[assignment]  # NoReturn cannot be spelled through a call


def uninstall_in_child() -> None:
    """In a process forked by user code: print to the descriptors, which the agent reads as raw output."""
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, LogHandler)]:
        root.removeHandler(handler)


def _level(number: int) -> str:
    if number >= logging.ERROR:
        return "ERROR"
    if number >= logging.WARNING:
        return "WARNING"
    return "INFO" if number >= logging.INFO else "DEBUG"
