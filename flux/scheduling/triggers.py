"""When a schedule fires: cron expressions, intervals, single moments.

Example:
    >>> from datetime import datetime, UTC
    >>> cron("0 9 * * 1-5", timezone="Asia/Tokyo").next_run_time(datetime(2026, 1, 2, 12, tzinfo=UTC)).isoformat()
    '2026-01-05T00:00:00+00:00'

Daylight saving: a fixed hour fires once a day (the first of two equal hours; in a gap, the first instant
after it), hours with `*` or `/` follow the wall clock through both. Intervals are elapsed time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal, cast, get_args
from zoneinfo import ZoneInfo

from flux.clock import as_utc
from flux.domain.schedule import ScheduleType

Overlap = Literal["skip", "allow", "queue"]
OVERLAP_POLICIES: tuple[str, ...] = get_args(Overlap)
Catchup = Literal["last", "all", "none"]

_ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_NEAR = timedelta(hours=3)
_STEPS = 5_000


class Schedule(ABC):
    """When something fires: `CronSchedule`, `IntervalSchedule` or `OnceSchedule`."""

    __slots__ = ()
    type: ClassVar[ScheduleType]

    @abstractmethod
    def next_run_time(self, base: datetime | None = None) -> datetime | None:
        """The first moment after `base` (default: now), in UTC; None when there is none."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain values, as the API takes them."""

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Schedule:
        """The schedule of `to_dict`; see the function of that name."""
        return from_dict(config)

    def should_run(self, moment: datetime, tolerance: float = 1.0) -> bool:
        """Whether it fires at that moment, or has done so up to `tolerance` seconds before.

        Example:
            >>> from datetime import datetime, UTC
            >>> cron("0 9 * * *").should_run(datetime(2026, 1, 2, 9, 0, 0, 500, tzinfo=UTC))
            True
        """
        fires = self.next_run_time(as_utc(moment) - timedelta(seconds=tolerance))
        return fires is not None and fires <= as_utc(moment)


@dataclass(frozen=True, slots=True)
class CronSchedule(Schedule):
    """Fires by a cron expression (5 fields, or 6 with seconds last) on the wall clock of a time zone."""

    cron_expression: str
    timezone: str = "UTC"
    overlap: Overlap = "skip"
    catchup: Catchup = "last"

    type = ScheduleType.CRON

    def __post_init__(self) -> None:
        _check(self.timezone, self.overlap, self.catchup)
        from croniter import croniter

        if not isinstance(self.cron_expression, str) or not croniter.is_valid(self._fields):
            raise ValueError(
                f"{self.cron_expression!r} is not a cron expression: write minute, hour, day, month and weekday, "
                f"such as '0 9 * * 1-5'."
            )

    def next_run_time(self, base: datetime | None = None) -> datetime | None:
        """The first moment after `base` (default: now), in UTC."""
        after = _aware(base)
        zone = ZoneInfo(self.timezone)
        near_change = _offset(after - _NEAR, zone) != _offset(after + _NEAR, zone)
        start = after.astimezone(zone).replace(tzinfo=None) - (_NEAR if near_change else timedelta(0))
        best: datetime | None = None
        for wall in self._walls(start):
            moments = [moment for moment in self._moments(wall, zone) if moment > after]
            if moments and (best is None or moments[0] < best):
                best = moments[0]
            if best is not None and wall.replace(tzinfo=zone).astimezone(UTC) >= best + _NEAR * near_change:
                return best
        return best

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as the API takes them."""
        return {
            "type": "cron",
            "cron_expression": self.cron_expression,
            "timezone": self.timezone,
            "overlap": self.overlap,
            "catchup": self.catchup,
        }

    @property
    def _fields(self) -> str:
        return _ALIASES.get(self.cron_expression.strip().lower(), self.cron_expression)

    def _walls(self, start: datetime) -> Iterator[datetime]:
        from croniter import CroniterBadDateError, croniter

        times = croniter(self._fields, start)
        for _ in range(_STEPS):
            try:
                yield times.get_next(datetime)
            except CroniterBadDateError:
                return

    def _moments(self, wall: datetime, zone: ZoneInfo) -> list[datetime]:
        follows = any(sign in self._fields.split()[1] for sign in "*/")
        first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first == second:
            return [first]
        if first < second:  # this wall time comes twice
            return [first, second] if follows else [first]
        # This wall time does not exist; a fixed hour fires at the first instant after the gap.
        return [] if follows else [_end_of_gap(second, first, zone)]


@dataclass(frozen=True, slots=True)
class IntervalSchedule(Schedule):
    """Fires every `interval` of elapsed time, from `start_time` (or the last fire) until `end_time`."""

    interval: timedelta
    timezone: str = "UTC"
    start_time: datetime | None = None
    end_time: datetime | None = None
    overlap: Overlap = "skip"
    catchup: Catchup = "last"

    type = ScheduleType.INTERVAL

    def __post_init__(self) -> None:
        _check(self.timezone, self.overlap, self.catchup)
        if self.interval <= timedelta(0):
            raise ValueError("An interval must be longer than zero: give seconds, minutes, hours, days or weeks.")
        if self.start_time and self.end_time and self.end_time <= self.start_time:
            raise ValueError("end_time must come after start_time.")

    @property
    def interval_seconds(self) -> float:
        """Seconds between two fires."""
        return self.interval.total_seconds()

    def next_run_time(self, base: datetime | None = None) -> datetime | None:
        """The first moment after `base` (default: now), in UTC; None after `end_time`."""
        after = _aware(base)
        if self.start_time is None:
            moment = after + self.interval
        elif after < self.start_time:
            moment = self.start_time.astimezone(UTC)
        else:
            fires = (after - self.start_time) // self.interval + 1
            moment = self.start_time.astimezone(UTC) + fires * self.interval
        return None if self.end_time is not None and moment > self.end_time else moment

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as the API takes them."""
        return {
            "type": "interval",
            "interval_seconds": self.interval_seconds,
            "timezone": self.timezone,
            "start_time": self.start_time.isoformat() if self.start_time else None,
            "end_time": self.end_time.isoformat() if self.end_time else None,
            "overlap": self.overlap,
            "catchup": self.catchup,
        }


@dataclass(frozen=True, slots=True)
class OnceSchedule(Schedule):
    """Fires at one moment."""

    run_time: datetime
    timezone: str = "UTC"
    overlap: Overlap = "skip"
    catchup: Catchup = "last"

    type = ScheduleType.ONCE

    def __post_init__(self) -> None:
        _check(self.timezone, self.overlap, self.catchup)

    def next_run_time(self, base: datetime | None = None) -> datetime | None:
        """The moment, in UTC, while it lies after `base` (default: now)."""
        moment = self.run_time.astimezone(UTC)
        return moment if moment > _aware(base) else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as the API takes them."""
        return {
            "type": "once",
            "run_time": self.run_time.isoformat(),
            "timezone": self.timezone,
            "overlap": self.overlap,
            "catchup": self.catchup,
        }


def cron(expression: str, timezone: str = "UTC", overlap: Overlap = "skip", catchup: Catchup = "last") -> CronSchedule:
    """A schedule by cron expression, on the wall clock of `timezone`.

    Raises `ValueError` for a wrong expression or an unknown time zone.

    Example:
        >>> cron("*/15 * * * *", timezone="Europe/Berlin").type
        'cron'
    """
    return CronSchedule(expression, timezone, overlap, catchup)


def interval(
    seconds: float = 0,
    minutes: float = 0,
    hours: float = 0,
    days: float = 0,
    weeks: float = 0,
    timezone: str = "UTC",
    start_time: datetime | str | None = None,
    end_time: datetime | str | None = None,
    overlap: Overlap = "skip",
    catchup: Catchup = "last",
) -> IntervalSchedule:
    """A schedule that fires every so often, in elapsed time.

    Naive times are on the wall clock of `timezone`. Raises `ValueError` unless the interval is positive.

    Example:
        >>> interval(hours=1, minutes=30).interval_seconds
        5400.0
    """
    length = timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days, weeks=weeks)
    _check(timezone, overlap, catchup)
    return IntervalSchedule(
        length, timezone, _moment(start_time, timezone), _moment(end_time, timezone), overlap, catchup
    )


def once(
    run_time: datetime | str, timezone: str = "UTC", overlap: Overlap = "skip", catchup: Catchup = "last"
) -> OnceSchedule:
    """A schedule for one moment; a naive time is on the wall clock of `timezone`.

    Example:
        >>> once("2026-03-01T09:00", timezone="Asia/Tokyo").run_time.isoformat()
        '2026-03-01T09:00:00+09:00'
    """
    _check(timezone, overlap, catchup)
    moment = _moment(run_time, timezone)
    if moment is None:
        raise ValueError("run_time is missing.")
    return OnceSchedule(moment, timezone, overlap, catchup)


def from_dict(config: Mapping[str, Any]) -> Schedule:
    """A schedule from its plain form (`to_dict`, or `schedule_config` of the API).

    Example:
        >>> from_dict({"type": "interval", "interval_minutes": 5}).to_dict()["interval_seconds"]
        300.0
    """
    common = {name: config[name] for name in ("timezone", "overlap", "catchup") if config.get(name) is not None}
    match config.get("type"):
        case "cron":
            return cron(config.get("cron_expression", ""), **common)
        case "interval":
            given: dict[str, Any] = {**common, **{name: config.get(name) for name in ("start_time", "end_time")}}
            for unit in ("seconds", "minutes", "hours", "days", "weeks"):
                given[unit] = float(config.get(f"interval_{unit}") or 0)
            return interval(**given)
        case "once":
            return once(config.get("run_time") or "", **common)
        case other:
            raise ValueError(f"{other!r} is not a type of schedule: write cron, interval or once.")


def _check(timezone: str, overlap: str, catchup: str) -> None:
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError, TypeError):
        raise ValueError(f"{timezone!r} is not a time zone: write an IANA name such as 'Europe/Berlin'.") from None
    if overlap not in OVERLAP_POLICIES:
        raise ValueError(f"overlap must be one of {', '.join(OVERLAP_POLICIES)}, not {overlap!r}.")
    if catchup not in get_args(Catchup):
        raise ValueError(f"catchup must be one of {', '.join(get_args(Catchup))}, not {catchup!r}.")


def _moment(value: datetime | str | None, timezone: str) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(f"{value!r} is not a time: write it as 2026-03-01T09:00.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone))


def _aware(base: datetime | None) -> datetime:
    return datetime.now(UTC) if base is None else as_utc(base)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return cast("timedelta", moment.astimezone(zone).utcoffset())


def _end_of_gap(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which the offset changes, between two instants around it."""
    old = _offset(before, zone)
    low, high = before, after
    while high - low > timedelta(microseconds=1):
        middle = low + (high - low) / 2
        low, high = (middle, high) if _offset(middle, zone) == old else (low, middle)
    return high.replace(microsecond=0)
