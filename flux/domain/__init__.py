"""Events, states, executions and the specs of workflows: frozen data without I/O.

Also a door to what users look for here: the context of an execution, and schedules.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from flux.domain.events import (
    Child,
    EventRecord,
    ExecutionEvent,
    ExecutionEventType,
    ExecutionState,
    PausedEventValue,
    Wait,
    WaitKind,
    as_utc,
)
from flux.domain.execution import Claim, Execution, LogLine, PendingWait
from flux.domain.inquiries import Inquiry, InquiryKind
from flux.domain.service import Service
from flux.domain.workflow import (
    Bundle,
    Manifest,
    Module,
    ResourceRequest,
    WorkflowRef,
    WorkflowSpec,
    WorkflowVersion,
)

if TYPE_CHECKING:
    from flux.domain.execution_context import CURRENT_CONTEXT, ExecutionContext
    from flux.domain.schedule import (
        OVERLAP_POLICIES,
        CronSchedule,
        IntervalSchedule,
        OnceSchedule,
        Schedule,
        ScheduleStatus,
        ScheduleType,
        cron,
        interval,
        once,
        schedule_factory,
    )

__all__ = [
    "CURRENT_CONTEXT",
    "OVERLAP_POLICIES",
    "Bundle",
    "Child",
    "Claim",
    "CronSchedule",
    "EventRecord",
    "Execution",
    "ExecutionContext",
    "ExecutionEvent",
    "ExecutionEventType",
    "ExecutionState",
    "Inquiry",
    "InquiryKind",
    "IntervalSchedule",
    "LogLine",
    "Manifest",
    "Module",
    "OnceSchedule",
    "PausedEventValue",
    "PendingWait",
    "ResourceRequest",
    "Schedule",
    "ScheduleStatus",
    "ScheduleType",
    "Service",
    "Wait",
    "WaitKind",
    "WorkflowRef",
    "WorkflowSpec",
    "WorkflowVersion",
    "as_utc",
    "cron",
    "interval",
    "once",
    "schedule_factory",
]

_DOORS = dict.fromkeys(("CURRENT_CONTEXT", "ExecutionContext"), "execution_context")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'flux.domain' has no attribute {name!r}")
    return getattr(import_module(f"flux.domain.{_DOORS.get(name, 'schedule')}"), name)
