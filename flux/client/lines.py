"""Live events as plain lines: what `flux dev --plain` prints and the dashboard's stream mode shows."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from flux.wire.models import (
    EventModel,
    ExecutionSummary,
    LiveEvent,
    LogModel,
    ReloadModel,
    WorkerModel,
    WorkflowSummary,
)

_LIMIT = 160
_UNPRINTABLE = {code: chr(0x2400 + code) for code in range(32) if code != 9} | {0x7F: "\N{SYMBOL FOR DELETE}"}
_UNPRINTABLE |= dict.fromkeys((*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "·")


def format_live(event: LiveEvent) -> list[str]:
    """The lines of one live event, each `time  source  text`, without colours; may be empty.

    Control characters are replaced, so what user code prints cannot drive the terminal.

    Example:
        >>> format_live(LiveEvent(id=1, kind="gap"))
        ['--:--:--  flux          … some events were dropped: this client was too slow']
    """
    match event.kind:
        case "event" if event.execution is not None and event.event is not None:
            return [_event(event.execution, event.event)]
        case "progress" if event.event is not None:
            return [_progress(event.execution, event.event)]
        case "log" if event.log is not None:
            return _log(event.log)
        case "workflow" if event.workflow is not None:
            return [_workflow(event.workflow, event.deleted)]
        case "worker" if event.worker is not None:
            return [_worker(event.worker, event.deleted)]
        case "reload" if event.reload is not None:
            return _reload(event.reload)
        case "gap":
            return [_line(None, "flux", "… some events were dropped: this client was too slow")]
    return []


def _line(moment: datetime | None, source: str, text: str) -> str:
    stamp = moment.astimezone().strftime("%H:%M:%S") if moment else "--:--:--"
    return f"{stamp}  {_plain(source)[:12]:<12}  {_plain(text)}"


def _plain(text: str) -> str:
    return text.translate(_UNPRINTABLE)


def _event(execution: ExecutionSummary, event: EventModel) -> str:
    word = event.type.value.removeprefix("WORKFLOW_").removeprefix("TASK_").replace("_", " ").lower()
    subject = _ref(execution) if event.type.value.startswith("WORKFLOW_") else f"{_ref(execution)} {event.name}"
    value = _value(event)
    text = f"{_glyph(event.type.value)} {subject} {word}" + (f"  {value}" if value else "")
    return _line(event.time, execution.execution_id[:8], text)


def _value(event: EventModel) -> str:
    if event.value is None:
        return ""
    if isinstance(event.value, dict) and "message" in event.value and "FAILED" in event.type.value:
        return _cut(str(event.value["message"]))
    return _cut(_json(event.value))


def _json(value: Any) -> str:
    if isinstance(value, dict) and "$type" in value and "preview" in value:
        return str(value["preview"])
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        return repr(value)


def _cut(text: str) -> str:
    return text if len(text) <= _LIMIT else text[: _LIMIT - 1] + "…"


def _glyph(kind: str) -> str:
    for part, glyph in (
        ("FAILED", "✗"),
        ("REJECTED", "✗"),
        ("COMPLETED", "✓"),
        ("PAUSED", "◐"),
        ("WAITING", "◐"),
        ("CANCELL", "⊘"),
        ("SCHEDULED", "◌"),
    ):
        if part in kind:
            return glyph
    return "●"


def _ref(execution: ExecutionSummary) -> str:
    name = execution.workflow if "/" in execution.workflow else f"{execution.namespace}/{execution.workflow}"
    return name.removeprefix("default/")


def _progress(execution: ExecutionSummary | None, event: EventModel) -> str:
    source = execution.execution_id[:8] if execution else event.source_id[:8]
    return _line(event.time, source, f"… {event.name} {_cut(_json(event.value))}")


def _log(log: LogModel) -> list[str]:
    source = log.execution_id[:8] or log.source
    prefix = "" if log.level.upper() == "INFO" else f"{log.level.upper()} "
    task = f"{log.task}: " if log.task else ""
    return [_line(log.time, source, prefix + task + row) for row in log.text.splitlines() or [""]]


def _workflow(workflow: WorkflowSummary, deleted: bool) -> str:
    verb = "deleted" if deleted else f"v{workflow.version} registered"
    return _line(workflow.created_at, "catalog", f"{workflow.namespace}/{workflow.name} {verb}")


def _worker(worker: WorkerModel, deleted: bool) -> str:
    state = "removed" if deleted else "online" if worker.online else "offline"
    return _line(worker.last_seen, "worker", f"{worker.name} {state} ({worker.running}/{worker.slots})")


def _reload(reload: ReloadModel) -> list[str]:
    if reload.status == "checking":
        return []
    if reload.status == "ok":
        changes = ", ".join(reload.changes) or "no change"
        return [_line(reload.time, "reload", f"✓ {reload.path} → {changes}  {reload.took_ms:.0f} ms")]
    place = f"{reload.path}:{reload.line}" if reload.line else reload.path
    still = f" — still running {reload.serving}" if reload.serving else ""
    head = _line(reload.time, "reload", f"✗ {place} {reload.error}{still}")
    return [head, *(f"          {_plain(row)}" for row in reload.traceback.rstrip().splitlines())]
