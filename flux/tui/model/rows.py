"""One line for each thing in a list: executions, waits, workflows, events, log lines."""

from __future__ import annotations

from datetime import datetime

from flux.domain.events import ExecutionState, WaitKind
from flux.tui.model.format import (
    STATES,
    age,
    clock_time,
    failure,
    preview,
    ref_of,
    short_id,
    state_text,
    took,
    workflow_label,
)
from flux.tui.model.table import Column, row
from flux.tui.model.text import Line, Span, clean, fit
from flux.wire.models import EventModel, ExecutionSummary, LogModel, PendingWaitModel, WorkflowSummary

EXECUTION_COLUMNS = (
    Column("state", "STATE", 12),
    Column("id", "ID", 8),
    Column("workflow", "WORKFLOW", 10, flex=3),
    Column("task", "TASK", 8, flex=2),
    Column("worker", "WORKER", 8, flex=1, from_width=96),
    Column("age", "AGE", 4, right=True),
    Column("took", "TOOK", 6, right=True),
)

WAIT_COLUMNS = (
    Column("kind", "KIND", 10),
    Column("id", "ID", 8),
    Column("workflow", "WORKFLOW", 10, flex=2),
    Column("name", "WAITS FOR", 10, flex=2),
    Column("age", "SINCE", 5, right=True),
    Column("wakes", "WAKES", 7, right=True),
    Column("output", "SHOWS", 14, flex=4, from_width=110),
)

WORKFLOW_COLUMNS = (
    Column("workflow", "WORKFLOW", 16, flex=3),
    Column("version", "VERSION", 7, right=True),
    Column("result", "LAST RUN", 12),
    Column("age", "AGE", 4, right=True),
    Column("took", "TOOK", 6, right=True),
    Column("description", "DESCRIPTION", 10, flex=4, from_width=100),
    Column("file", "FILE", 12, flex=2),
)

WAIT_WORDS = {
    WaitKind.INPUT: ("◐ input", "wait"),
    WaitKind.DIVERGENCE: ("✗ diverged", "bad"),
    WaitKind.TIMER: ("◷ sleep", "dim"),
    WaitKind.BACKOFF: ("◷ retry", "dim"),
    WaitKind.CHILD: ("● child", "dim"),
}


def execution_row(execution: ExecutionSummary, width: int, now: datetime, waits_for: str = "") -> Line:
    """State, id, workflow and version, current task, age, duration."""
    dim = "dim" if execution.state in (ExecutionState.CANCELLED, ExecutionState.CREATED) else ""
    ref = ref_of(execution.namespace, execution.workflow)
    return row(
        EXECUTION_COLUMNS,
        width,
        {
            "state": (state_text(execution.state), STATES[execution.state][2]),
            "id": (short_id(execution.execution_id), "dim"),
            "workflow": (workflow_label(ref, execution.version), dim),
            "task": (_current(execution, waits_for), dim or ("" if execution.current_task else "dim")),
            "worker": (execution.worker or "—", "dim"),
            "age": (age(execution.created_at, now), "dim"),
            "took": (took(execution.started_at, execution.finished_at, now), dim),
        },
    )


def _current(execution: ExecutionSummary, waits_for: str) -> str:
    if execution.state is ExecutionState.FAILED:
        return execution.current_task or "—"
    if execution.state is ExecutionState.PAUSED:
        return f"wait {waits_for or execution.current_task}"
    return "—" if execution.state.is_terminal or not execution.current_task else execution.current_task


def wait_row(wait: PendingWaitModel, width: int, now: datetime) -> Line:
    """Kind, id, workflow, name, since when, when it ends by itself, what it shows."""
    word, style = WAIT_WORDS[wait.kind]
    if wait.answered:
        word, style = "● answered", "run"
    wakes = f"in {age(now, wait.wakes_at)}" if wait.wakes_at else "—"
    return row(
        WAIT_COLUMNS,
        width,
        {
            "kind": (word, style),
            "id": (short_id(wait.execution_id), "dim"),
            "workflow": (workflow_label(ref_of(wait.namespace, wait.workflow), 0), ""),
            "name": (wait.name, "bold" if style == "wait" else ""),
            "age": (age(wait.since, now), "dim"),
            "wakes": (wakes, "dim"),
            "output": (preview(wait.output) if wait.output is not None else "", "dim"),
        },
    )


def workflow_row(
    workflow: WorkflowSummary, last: ExecutionSummary | None, broken: bool, width: int, now: datetime
) -> Line:
    """Name, version, state of the newest run, where it stands."""
    result = (state_text(last.state), STATES[last.state][2]) if last else ("—", "dim")
    return row(
        WORKFLOW_COLUMNS,
        width,
        {
            "workflow": (workflow_label(ref_of(workflow.namespace, workflow.name), 0), "bold"),
            "version": (f"✗ v{workflow.version}" if broken else f"v{workflow.version}", "bad" if broken else "accent"),
            "result": result,
            "age": (age(last.created_at, now) if last else "—", "dim"),
            "took": (took(last.started_at, last.finished_at, now) if last else "—", ""),
            "description": (workflow.description.strip().split("\n")[0], "dim"),
            "file": (_place(workflow), "dim"),
        },
    )


def _place(workflow: WorkflowSummary) -> str:
    if not workflow.path:
        return "—"
    tail = workflow.path.rpartition("/")[2]
    return f"{tail}:{workflow.line}" if workflow.line else tail


_EVENT_STYLES = (
    ("FAILED", "bad"),
    ("REJECTED", "bad"),
    ("CANCELL", "dim"),
    ("COMPLETED", "good"),
    ("PAUSED", "wait"),
    ("WAITING", "wait"),
    ("STARTED", "run"),
    ("RESUM", "run"),
)
_EVENT_GLYPHS = {"bad": "✗", "good": "✓", "wait": "◐", "run": "●", "dim": "⊘", "": "·"}


def event_style(kind: str) -> str:
    """Name of the style of a type of event."""
    return next((style for part, style in _EVENT_STYLES if part in kind), "")


def event_row(event: EventModel) -> Line:
    """Sequence number, time, type, task and value of an event, as long as it is."""
    style = event_style(event.type.value)
    word = event.type.value.removeprefix("WORKFLOW_").removeprefix("TASK_").replace("_", " ").lower()
    is_workflow = event.type.value.startswith("WORKFLOW_")
    value = ""
    if event.value is not None:
        value = failure(event.value) if "FAILED" in event.type.value else preview(event.value, 500)
    if event.child_id:
        value = f"→ {short_id(event.child_id)}  {value}"
    return (
        Span(f"{event.seq:>4} ", "dim"),
        Span(clock_time(event.time) + "  ", "dim"),
        Span(_EVENT_GLYPHS[style] + " ", style),
        Span(fit(word, 17), style),
        Span(" "),
        Span(fit(clean(event.name), 18), "bold" if is_workflow else ""),
        Span("  " + value if value else "", "bad" if "FAILED" in event.type.value else "dim"),
    )


_LEVELS = {"DEBUG": "dim", "INFO": "", "WARNING": "wait", "ERROR": "bad", "CRITICAL": "bad"}


_SHORT = {"WARNING": "WARN", "CRITICAL": "CRIT"}


def log_row(log: LogModel, *, with_execution: bool = True) -> Line:
    """Time, level, source and text of a captured line."""
    style = _LEVELS.get(log.level.upper(), "")
    origin = log.task or log.source
    spans = [
        Span(clock_time(log.time) + " ", "dim"),
        Span(fit(_SHORT.get(log.level.upper(), log.level.upper()), 5) + " ", style or "dim"),
        Span(fit(clean(origin), 12) + " ", "accent"),
    ]
    if with_execution:
        spans.append(Span(fit(short_id(log.execution_id), 8) + " ", "dim"))
    spans.append(Span(clean(log.text), style))
    return tuple(spans)
