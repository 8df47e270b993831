"""The events of an execution as lanes of bars: one lane for each call, time from left to right.

Gaps in which nothing begins or ends, much longer than the usual ones, are folded, so that a pause of
two days does not flatten three seconds of work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from statistics import median

from flux.domain.events import ExecutionEventType
from flux.tui.model.format import duration
from flux.tui.model.text import Line, Span, cell_width, clean, fit
from flux.wire.models import EventModel

_E = ExecutionEventType
_FOLD = 10
_BARS = {
    "done": ("█", "good"),
    "run": ("▒", "run"),
    "fail": ("▓", "bad"),
    "wait": ("░", "wait"),
    "gone": ("▒", "dim"),
    "queue": ("·", "dim"),
}

_BEGINS = {
    _E.TASK_STARTED: "run",
    _E.TASK_RETRY_STARTED: "run",
    _E.TASK_FALLBACK_STARTED: "run",
    _E.TASK_ROLLBACK_STARTED: "run",
    _E.TASK_RESUMED: "run",
    _E.TASK_PAUSED: "wait",
    _E.TASK_WAITING: "wait",
    _E.TASK_RESUME_REJECTED: "wait",
}
_ENDS = {
    _E.TASK_COMPLETED: "done",
    _E.TASK_FAILED: "fail",
    _E.TASK_CANCELLED: "gone",
    _E.TASK_RETRY_COMPLETED: "done",
    _E.TASK_RETRY_FAILED: "fail",
    _E.TASK_FALLBACK_COMPLETED: "done",
    _E.TASK_FALLBACK_FAILED: "fail",
    _E.TASK_GIVEN_UP: "fail",
    _E.TASK_ROLLBACK_COMPLETED: "gone",
    _E.TASK_ROLLBACK_FAILED: "fail",
}
_WORKFLOW_ENDS = {_E.WORKFLOW_COMPLETED, _E.WORKFLOW_FAILED, _E.WORKFLOW_CANCELLED}


@dataclass(slots=True)
class Segment:
    """A stretch of one lane. Times are seconds since the epoch; `end` None while it lasts."""

    start: float
    end: float | None
    kind: str


@dataclass(slots=True)
class Lane:
    """One call, or the workflow's own time in the queue."""

    name: str
    depth: int = 0
    segments: list[Segment] = field(default_factory=list)
    tries: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Scale:
    """Where a moment stands in `width` columns, gaps folded.

    Attributes:
        knots: pairs of (seconds, column), rising.
        folds: columns at which time was folded away, with its length in seconds.
    """

    knots: tuple[tuple[float, float], ...]
    folds: tuple[tuple[int, float], ...]

    def column(self, moment: float) -> float:
        """Column of a moment; beyond the ends it is the nearest end."""
        previous = self.knots[0]
        if moment <= previous[0]:
            return previous[1]
        for knot in self.knots[1:]:
            if moment <= knot[0]:
                span = knot[0] - previous[0]
                share = (moment - previous[0]) / span if span else 1.0
                return previous[1] + share * (knot[1] - previous[1])
            previous = knot
        return previous[1]


def collect(events: Sequence[EventModel]) -> list[Lane]:
    """The lanes of a history, in order of their first event; children are indented under their parent."""
    lanes: dict[str, Lane] = {}
    queue = Lane("queue")
    for event in events:
        moment = event.time.timestamp()
        kind = event.type
        if kind.value.startswith("TASK_"):
            if kind in _BEGINS or kind in _ENDS:
                _task_event(lanes, event, moment)
            elif kind is _E.TASK_CACHE_HIT and event.source_id in lanes:
                lanes[event.source_id].note = "cached"
        else:
            _workflow_event(queue, lanes, kind, moment)
    shown = list(lanes.values())
    return [queue, *shown] if queue.segments else shown


def _task_event(lanes: dict[str, Lane], event: EventModel, moment: float) -> None:
    lane = lanes.get(event.source_id)
    if lane is None:
        parent = lanes.get(event.parent)
        lane = lanes[event.source_id] = Lane(clean(event.name), parent.depth + 1 if parent else 0)
    if event.type in _BEGINS:
        _begin(lane, event.type, moment)
    else:
        _end(lane, event.type, moment)


def _begin(lane: Lane, kind: ExecutionEventType, moment: float) -> None:
    retry = kind is _E.TASK_RETRY_STARTED
    lane.tries += retry
    last = lane.segments[-1] if lane.segments else None
    if last is not None and last.end is None:
        last.end = moment
        if last.kind == "run":
            last.kind = "fail" if retry else "done"
    lane.segments.append(Segment(moment, None, _BEGINS[kind]))


def _end(lane: Lane, kind: ExecutionEventType, moment: float) -> None:
    ends = _ENDS[kind]
    last = lane.segments[-1] if lane.segments else None
    if last is not None and last.end is None:
        last.end = moment
        if last.kind != "wait" or ends != "done":
            last.kind = ends
    elif last is None or kind not in (_E.TASK_FAILED, _E.TASK_COMPLETED):
        lane.segments.append(Segment(moment, moment, ends))


def _workflow_event(queue: Lane, lanes: dict[str, Lane], kind: ExecutionEventType, moment: float) -> None:
    if kind in (_E.WORKFLOW_SCHEDULED, _E.WORKFLOW_RESUME_SCHEDULED):
        _close(queue, moment)
        queue.segments.append(Segment(moment, None, "queue"))
    elif kind in (_E.WORKFLOW_CLAIMED, _E.WORKFLOW_STARTED, _E.WORKFLOW_RESUME_CLAIMED, _E.WORKFLOW_RESUMED):
        _close(queue, moment)
    elif kind in _WORKFLOW_ENDS:
        for lane in (queue, *lanes.values()):
            _close(lane, moment, "gone")


def _close(lane: Lane, moment: float, kind: str = "") -> None:
    if lane.segments and lane.segments[-1].end is None:
        lane.segments[-1].end = moment
        if kind and lane.segments[-1].kind == "run":
            lane.segments[-1].kind = kind


def scale(moments: Sequence[float], width: int) -> Scale:
    """Spread moments over the columns; gaps over ten times the median take two columns only."""
    points = sorted(set(moments)) or [0.0]
    if len(points) == 1 or width < 4:
        return Scale(((points[0], 0.0), (points[0] + 1.0, float(max(width - 1, 1)))), ())
    gaps = [later - earlier for earlier, later in pairwise(points)]
    usual = median(gap for gap in gaps if gap > 0)
    limit = max(usual * _FOLD, sum(sorted(gaps)[:-1]) * 2 if len(gaps) > 1 else gaps[0], 0.001)
    folded = [gap > limit and len(gaps) > 2 for gap in gaps]
    room = width - 1 - 3 * sum(folded)
    kept = sum(gap for gap, fold in zip(gaps, folded, strict=True) if not fold) or 1.0
    knots = [(points[0], 0.0)]
    folds: list[tuple[int, float]] = []
    column = 0.0
    for point, gap, fold in zip(points[1:], gaps, folded, strict=True):
        if fold:
            folds.append((round(column + 1.5), gap))
        column += 3 if fold else gap / kept * room
        knots.append((point, column))
    return Scale(tuple(knots), tuple(folds))


def lanes(events: Sequence[EventModel], width: int, now: datetime) -> list[Line]:
    """The timeline as lines of exactly the given width: an axis, then a lane for each call.

    Bars: `█` done, `▒` running, `▓✗` failed try, `░` waiting, `·` queued, `…` folded time.
    """
    found = collect(events)
    if not found or width < 24:
        return []
    end = now.timestamp()
    finished = any(event.type in _WORKFLOW_ENDS for event in events)
    if finished:
        end = events[-1].time.timestamp()
    label = min(max(max(cell_width(_label(lane)) for lane in found) + 1, 8), max(width // 4, 8), 28)
    room = width - label - 9
    moments = [end]
    for lane in found:
        for segment in lane.segments:
            moments += [segment.start, segment.end if segment.end is not None else end]
    ruler = scale(moments, room)
    return [_axis(ruler, label, room, min(moments)), *(_lane(lane, ruler, label, room, end) for lane in found)]


def _label(lane: Lane) -> str:
    tries = f" \N{MULTIPLICATION SIGN}{lane.tries + 1}" if lane.tries else ""
    note = f" ({lane.note})" if lane.note else ""
    return "  " * lane.depth + lane.name + tries + note


def _axis(ruler: Scale, label: int, room: int, origin: float) -> Line:
    cells = [" "] * (room + 9)
    folds = {column for column, _ in ruler.folds}
    step = max(room // 5, 10)
    for column in range(0, room, step):
        text = duration(_moment(ruler, column) - origin)
        if not any(column - 1 <= fold <= column + len(text) for fold in folds):
            text = "0" if column == 0 else text
            cells[column : column + len(text)] = text
    for column in folds:
        if 0 <= column < room:
            cells[column] = "…"
    return (Span(" " * label), Span("".join(cells), "dim"))


def _moment(ruler: Scale, column: int) -> float:
    previous = ruler.knots[0]
    for knot in ruler.knots[1:]:
        if column <= knot[1]:
            span = knot[1] - previous[1]
            return previous[0] + ((column - previous[1]) / span if span else 0) * (knot[0] - previous[0])
        previous = knot
    return previous[0]


def _lane(lane: Lane, ruler: Scale, label: int, room: int, end: float) -> Line:
    cells: list[tuple[str, str]] = [(" ", "")] * room
    for segment in lane.segments:
        glyph, style = _BARS[segment.kind]
        first = min(round(ruler.column(segment.start)), room - 1)
        stop = segment.end if segment.end is not None else end
        last = max(min(round(ruler.column(stop)), room), first + 1)
        for column in range(first, last):
            cells[column] = (glyph, style)
        if segment.kind == "fail":
            cells[last - 1] = ("✗", style)
    for column, _ in ruler.folds:
        if 0 <= column < room and cells[column][0] != " ":
            cells[column] = ("…", "dim")
    total = sum((segment.end if segment.end is not None else end) - segment.start for segment in lane.segments)
    name = fit(_label(lane), label - 1) + " "
    style = "dim" if lane.segments and lane.segments[0].kind == "queue" else ""
    return (Span(name, style), *_joined(cells), Span(fit(duration(total), 9, right=True), "dim"))


def _joined(cells: Sequence[tuple[str, str]]) -> list[Span]:
    spans: list[Span] = []
    for text, style in cells:
        if spans and spans[-1].style == style:
            spans[-1] = Span(spans[-1].text + text, style)
        else:
            spans.append(Span(text, style))
    return spans
