"""Logging of Flux's own processes: lines for people on a terminal, JSON lines for machines elsewhere."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

FIELDS = ("execution_id", "task")
"""What a record may be about; given by `about`, or by `extra=` of one call."""

logger = logging.getLogger("flux")
"""For user code that wants one: `from flux import logger`."""

_NOISY = ("httpx", "httpcore", "asyncio", "uvicorn.access")
_about: ContextVar[dict[str, str]] = ContextVar("about", default={})  # noqa: B039 - never written in place


def set_up(level: str = "INFO", *, stream: TextIO | None = None, as_json: bool | None = None) -> logging.Handler:
    """Log to a stream, and only there; calling it again replaces the handler it had made.

    Args:
        level: name of the lowest level to show. stream: standard error when not given.
        as_json: JSON lines; what the stream calls for when not given: text on a terminal, else JSON.

    Example:
        set_up("DEBUG")
        with about(execution_id="3f2a"):
            logging.getLogger("flux").info("claimed")     # … INFO  flux  claimed  execution_id=3f2a
    """
    stream = stream or sys.stderr
    handler = _Handler(stream)
    handler.setFormatter(JsonLines() if (not stream.isatty() if as_json is None else as_json) else Text())
    handler.addFilter(_add_fields)
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    return handler


@contextmanager
def about(**fields: str) -> Iterator[None]:
    """Everything logged inside, in this task and those it starts, is about these (see `FIELDS`)."""
    token = _about.set({**_about.get(), **fields})
    try:
        yield
    finally:
        _about.reset(token)


def fields_of(record: logging.LogRecord) -> dict[str, str]:
    """What a record is about, without what is not known."""
    return {name: str(value) for name in FIELDS if (value := getattr(record, name, None))}


class Text(logging.Formatter):
    """`12:30:05  INFO     flux.server  claimed  execution_id=3f2a`, local time."""

    def format(self, record: logging.LogRecord) -> str:
        """One record; a traceback follows on lines of its own."""
        time = _time(record).astimezone().strftime("%H:%M:%S")
        more = "".join(f"  {name}={value}" for name, value in fields_of(record).items())
        line = f"{time}  {record.levelname:<7}  {record.name}  {record.getMessage()}{more}"
        trace = _traceback(self, record)
        return f"{line}\n{trace}" if trace else line


class JsonLines(logging.Formatter):
    """One JSON object per record: time, level, logger, message, what it is about, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """One record on one line."""
        document: dict[str, Any] = {
            "time": _time(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **fields_of(record),
        }
        if trace := _traceback(self, record):
            document["traceback"] = trace
        return json.dumps(document, default=str)


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that `set_up` knows what to replace."""


def _add_fields(record: logging.LogRecord) -> bool:
    for name, value in _about.get().items():
        if not hasattr(record, name):
            setattr(record, name, value)
    return True


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""
