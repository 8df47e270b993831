"""What is known of schedules; also a door: `from flux.domain.schedule import cron, CronSchedule`."""

from __future__ import annotations

from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flux.scheduling.triggers import (
        OVERLAP_POLICIES,
        CronSchedule,
        IntervalSchedule,
        OnceSchedule,
        Schedule,
        cron,
        interval,
        once,
    )
    from flux.scheduling.triggers import from_dict as schedule_factory

__all__ = [
    "OVERLAP_POLICIES",
    "CronSchedule",
    "IntervalSchedule",
    "OnceSchedule",
    "Schedule",
    "ScheduleStatus",
    "ScheduleType",
    "cron",
    "interval",
    "once",
    "schedule_factory",
]


class ScheduleType(StrEnum):
    """The kinds of schedules."""

    CRON = "cron"
    INTERVAL = "interval"
    ONCE = "once"


class ScheduleStatus(StrEnum):
    """Whether a schedule fires."""

    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("flux.scheduling.triggers"), "from_dict" if name == "schedule_factory" else name)
    raise AttributeError(f"module 'flux.domain.schedule' has no attribute {name!r}")
