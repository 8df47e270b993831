"""Events, states, executions and the specs of workflows: frozen data without I/O."""

from flux.domain.events import (
    Child,
    EventRecord,
    ExecutionEvent,
    ExecutionEventType,
    ExecutionState,
    Wait,
    WaitKind,
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

__all__ = [
    "Bundle",
    "Child",
    "Claim",
    "EventRecord",
    "Execution",
    "ExecutionEvent",
    "ExecutionEventType",
    "ExecutionState",
    "Inquiry",
    "InquiryKind",
    "LogLine",
    "Manifest",
    "Module",
    "PendingWait",
    "ResourceRequest",
    "Service",
    "Wait",
    "WaitKind",
    "WorkflowRef",
    "WorkflowSpec",
    "WorkflowVersion",
]
