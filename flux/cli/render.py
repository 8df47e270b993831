"""All output of the commands: data on stdout, talk on stderr, colour and tables only on a terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel

STATE_STYLES = {
    "COMPLETED": "green",
    "FAILED": "red",
    "CANCELLED": "bright_black",
    "CANCELLING": "bright_black",
    "PAUSED": "yellow",
    "RUNNING": "blue",
}


def talk(text: str, style: str = "") -> None:
    """Say something to the person, on stderr."""
    coloured = style and sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    typer.secho(text, err=True, fg=style if coloured else None)


def put(text: str) -> None:
    """Print a line of data on stdout."""
    typer.echo(text)


def put_json(data: Any) -> None:
    """Print data as indented JSON on stdout; models and lists of models are fine."""
    typer.echo(json.dumps(plain(data), indent=2, ensure_ascii=False, default=str))


def put_json_line(data: Any) -> None:
    """Print data as one line of JSON on stdout, for streams."""
    typer.echo(json.dumps(plain(data), ensure_ascii=False, default=str))


def plain(data: Any) -> Any:
    """Models as plain values."""
    if hasattr(data, "model_dump"):
        return data.model_dump(mode="json")
    if isinstance(data, Mapping):
        return {key: plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [plain(item) for item in data]
    return data


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under a header: a table on a terminal, aligned columns in a pipe."""
    cells = [[_cell(value) for value in row] for row in rows]
    if sys.stdout.isatty():
        _rich_table(columns, cells)
        return
    widths = [max(len(column), *(len(row[at]) for row in cells), 0) for at, column in enumerate(columns)]
    for row in [[column.upper() for column in columns], *cells]:
        put("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def fields(pairs: Mapping[str, Any]) -> None:
    """Print `name: value` lines, names aligned; empty values are left out."""
    kept = {name: value for name, value in pairs.items() if value not in (None, "", [], {}, ())}
    width = max((len(name) for name in kept), default=0)
    for name, value in kept.items():
        put(f"{name.ljust(width)}  {_cell(value)}")


def summary(execution: BaseModel, *, everything: bool) -> None:
    """Print an execution as JSON: the members people look for, or all."""
    data = execution.model_dump(mode="json")
    names = ("execution_id", "namespace", "workflow", "version", "state", "input", "output")
    put_json(data if everything else {name: data[name] for name in names})


def age(moment: datetime | None, now: datetime | None = None) -> str:
    """How long ago, in one unit.

    Example:
        >>> age(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 5, tzinfo=UTC))
        '5m'
    """
    if moment is None:
        return ""
    seconds = max(0.0, ((now or datetime.now(UTC)) - moment).total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{seconds:.0f}s"


def took(start: datetime | None, end: datetime | None) -> str:
    """A duration, or "" while it is not over."""
    if start is None or end is None:
        return ""
    seconds = (end - start).total_seconds()
    return f"{seconds * 1000:.0f}ms" if seconds < 1 else f"{seconds:.1f}s"


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(plain(value), ensure_ascii=False, default=str)
    text = "" if value is None else str(value)
    return text.replace("\r", "").replace("\n", "⏎")


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        # Ids and names are there to be copied: they wrap rather than end in dots.
        grid.add_column(column.upper(), overflow="fold")
    for row in rows:
        grid.add_row(*(Text(cell, style=STATE_STYLES.get(cell, "")) for cell in row))
    Console().print(grid)
