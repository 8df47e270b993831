"""The lines at the top and bottom of every area."""

from __future__ import annotations

from collections.abc import Sequence

from flux.tui.commands import AREAS, Command, key_label
from flux.tui.controls import ServerStatus
from flux.tui.model.format import clock_time
from flux.tui.model.selectors import Counts
from flux.tui.model.store import Connection
from flux.tui.model.text import Line, Span, cell_width, clean, fit, line_width, spread
from flux.wire.models import ReloadModel


def status_line(
    title: str,
    address: str,
    connection: Connection,
    counts: Counts,
    last: ReloadModel | None,
    server: ServerStatus | None,
    width: int,
) -> Line:
    """Name, connection, numbers; at the right the last reload."""
    left = [Span(f" {title} ", "title"), Span(" "), *_connection(address, connection, server)]
    numbers: list[Span] = []
    for glyph, amount, word, style in (
        ("●", counts.running, "running", "run"),
        ("◌", counts.queued, "queued", "dim"),
        ("◐", counts.waiting, "waiting", "wait"),
        ("✗", counts.failed, "failed", "bad"),
    ):
        if amount or word == "running":
            numbers += [Span("  "), Span(f"{glyph} {amount}", style if amount else "dim"), Span(f" {word}", "dim")]
    if width < 100:
        numbers = [span for span in numbers if not span.text.startswith(" ") or not span.text.strip()]
    workers = f"  workers {counts.busy}/{counts.slots}" if width >= 100 else f"  w {counts.busy}/{counts.slots}"
    left += [*numbers, Span(workers, "dim")]
    right: list[Span] = []
    if last is not None and last.status == "ok":
        right = [Span(f"↻ {clock_time(last.time)} ok {last.took_ms:.0f} ms ", "dim")]
    return spread(left, right, width)


def _connection(address: str, connection: Connection, server: ServerStatus | None) -> list[Span]:
    if connection.connected:
        return [Span("● ", "good"), Span(address)]
    if server is not None and server.state == "stopped":
        code = f" (exit {server.exit_code})" if server.exit_code is not None else ""
        return [Span(f"✗ server stopped{code} · ! shows why · ctrl+x starts it", "bad bold")]
    if not connection.ever:
        return [Span("○ ", "wait"), Span(f"connecting to {address}", "wait")]
    return [Span("○ ", "bad"), Span(f"reconnecting to {address} ({connection.attempts})", "bad")]


def areas_line(current: str, waiting: int, right: Sequence[Span], width: int) -> Line:
    """The areas with their number keys; at the right how the view stands."""
    spans: list[Span] = [Span(" ")]
    for number, (name, title) in enumerate(AREAS, 1):
        chosen = name == current
        spans.append(Span(f"{number} ", "accent" if chosen else "dim", f"area.{name}"))
        spans.append(Span(title, "title underline" if chosen else "", f"area.{name}"))
        if name == "waiting" and waiting:
            spans.append(Span(f" ◐ {waiting}", "wait bold", f"area.{name}"))
        spans.append(Span("   "))
    return spread(spans, [*right, Span(" ")] if right else (), width)


def reload_line(broken: Sequence[ReloadModel], last: ReloadModel | None, width: int) -> tuple[Line, str]:
    """What the last save did, and the name of its look: `good`, `bad`, `busy` or ""."""
    if broken:
        return _broken_line(broken, width), "bad"
    if last is None:
        return (), ""
    if last.status == "checking":
        return (Span(f" ↻ checking {clean(last.path)} …"),), "busy"
    changes = clean(", ".join(last.changes)) or "nothing changed"
    right = f" {last.took_ms:.0f} ms "
    room = max(width - cell_width(right) - 1, 10)
    text = f" ↻ {clean(last.path)} → {changes}"
    return (Span(fit(text, room)), Span(" "), Span(right)), "good"


def _broken_line(broken: Sequence[ReloadModel], width: int) -> Line:
    first = broken[0]
    place = f"{first.path}:{first.line}" if first.line else first.path
    more = f" (+{len(broken) - 1} more)" if len(broken) > 1 else ""
    tail = f" — still running {clean(first.serving)}" if first.serving else ""
    keys = "  ! shows it · o opens it "
    head = f" ✗ {clean(place)} {clean(first.error)}{more}"
    room = width - cell_width(tail)
    shown = fit(head, min(cell_width(head), max(room, 20)))
    return spread((Span(shown, "bold"), Span(tail)), (Span(keys),), width)


def hints_line(hints: Sequence[tuple[Command, bool]], width: int) -> Line:
    """As many keys as fit; those that make no sense now are dim. The last two keep their place at the right."""
    pinned = [hint for hint in hints if hint[0].id in ("help.open", "palette.open")]
    right: list[Span] = []
    for command, _ in pinned:
        right += [
            Span(key_label(command.keys[0]), "accent bold", command.id),
            Span(f" {command.title}  ", "dim", command.id),
        ]
    spans: list[Span] = [Span(" ")]
    left_room = width - line_width(right) - 1
    for command, possible in hints:
        if (command, possible) in pinned:
            continue
        key = key_label(command.keys[0])
        size = cell_width(key) + cell_width(command.title) + 3
        if line_width(spans) + size > left_room:
            break
        spans.append(Span(key, "accent bold" if possible else "dim", command.id))
        spans.append(Span(f" {command.title}  ", "" if possible else "dim", command.id))
    return spread(spans, right, width)
