"""A server in memory with the real bodies: what the dashboard talks to in tests and demos."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from flux.domain.events import ExecutionEventType as E
from flux.domain.events import ExecutionState as S
from flux.domain.events import WaitKind
from flux.errors import (
    ExecutionContextNotFoundError,
    ExecutionFinishedError,
    InvalidInputError,
    ServerUnavailableError,
    WaitAnsweredError,
    WaitNotFoundError,
    WorkflowNotFoundError,
)
from flux.tui.controls import ServerStatus
from flux.wire.models import (
    EventModel,
    ExecutionDetail,
    ExecutionPage,
    ExecutionSummary,
    LiveEvent,
    LogModel,
    PendingWaitModel,
    Ready,
    ReloadModel,
    WorkerModel,
    WorkflowDetail,
    WorkflowSummary,
)

NOW = datetime(2026, 3, 1, 12, 4, 31, tzinfo=UTC)

APPROVAL = {
    "title": "Approval",
    "type": "object",
    "properties": {
        "decision": {"enum": ["approve", "reject"], "description": "What to do with the order"},
        "amount": {"type": "integer", "exclusiveMinimum": 0, "description": "EUR, whole units"},
        "note": {"type": "string", "default": "", "description": "Shown to the customer"},
        "express": {"type": "boolean", "default": True, "description": "Ship today"},
        "address": {"$ref": "#/$defs/Address"},
        "tags": {"type": "array", "items": {"type": "string"}, "default": []},
    },
    "required": ["decision", "amount"],
    "$defs": {
        "Address": {
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string", "default": "Berlin"}},
            "required": ["street"],
        }
    },
}

ORDER = {
    "type": "object",
    "properties": {
        "order": {"type": "integer", "minimum": 1, "description": "Number of the order"},
        "customer": {"type": "string", "default": "Ada", "description": "Who ordered"},
    },
    "required": ["order"],
}

SOURCE = '''from flux import task, workflow, pause


@task.with_options(retry_max_attempts=2)
async def charge_card(amount: int) -> str:
    """Take the money."""
    return f"receipt-{amount}"


@workflow.with_options(namespace="shop")
async def order(ctx):
    receipt = await charge_card(ctx.input["order"])
    return await pause("approval", output={"receipt": receipt})
'''


def at(seconds: float) -> datetime:
    """A moment before (negative) or after the fixed now."""
    return NOW + timedelta(seconds=seconds)


class FixedClock:
    """Stands still on the screen; waits for real."""

    def __init__(self, moment: datetime = NOW) -> None:
        self.moment = moment

    def now(self) -> int:
        return int(self.moment.timestamp() * 1_000_000)

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 20)


class FakeApi:
    """Implements `FluxApi`; `emit` sends a live event, `down` breaks all connections."""

    base_url = "http://127.0.0.1:8000"

    def __init__(self) -> None:
        self.executions: dict[str, ExecutionSummary] = {}
        self.events: dict[str, list[EventModel]] = {}
        self.open_waits: list[PendingWaitModel] = []
        self.workflows: dict[str, WorkflowDetail] = {}
        self.workers: list[WorkerModel] = []
        self.lines: list[LogModel] = []
        self.results: list[ReloadModel] = []
        self.calls: list[tuple[Any, ...]] = []
        self.refuse: Exception | None = None
        self.down = False
        self.position = 100
        self._queues: list[asyncio.Queue[LiveEvent | None]] = []
        self._numbers = 0
        self.past: list[LiveEvent] = []

    # the server's side

    def new_id(self, prefix: str = "") -> str:
        self._numbers += 1
        return f"{prefix}{self._numbers:04x}" + "0" * (28 - len(prefix))

    def emit(self, **members: Any) -> LiveEvent:
        self.position += 1
        message = LiveEvent(id=self.position, **members)
        self.past.append(message)
        for queue in self._queues:
            queue.put_nowait(message)
        return message

    def break_connections(self) -> None:
        self.down = True
        for queue in self._queues:
            queue.put_nowait(None)

    def execution(self, ref: str, state: S, **members: Any) -> ExecutionSummary:
        namespace, _, name = ref.partition("/")
        created = members.pop("created_at", at(-10))
        summary = ExecutionSummary(
            execution_id=members.pop("execution_id", None) or self.new_id("ab"),
            namespace=namespace,
            workflow=name,
            state=state,
            version=members.pop("version", 4),
            created_at=created,
            updated_at=members.pop("updated_at", created),
            started_at=members.pop("started_at", created),
            **members,
        )
        self.executions[summary.execution_id] = summary
        self.events.setdefault(summary.execution_id, [])
        return summary

    def event(
        self,
        execution_id: str,
        kind: E,
        name: str,
        moment: datetime,
        value: Any = None,
        source: str = "",
        parent: str = "",
        live: bool = False,
        state: S | None = None,
        current: str | None = None,
    ) -> EventModel:
        history = self.events[execution_id]
        event = EventModel(
            type=kind,
            source_id=source or name,
            name=name,
            value=value,
            time=moment,
            id=f"e{len(history) + 1}",
            seq=len(history) + 1,
            parent=parent,
            location="shop.py:12" if kind.value.startswith("TASK") else "",
        )
        history.append(event)
        old = self.executions[execution_id]
        update: dict[str, Any] = {"events_count": event.seq, "updated_at": moment}
        if state is not None:
            update["state"] = state
            if state.is_terminal:
                update["finished_at"] = moment
        if current is not None:
            update["current_task"] = current
        self.executions[execution_id] = old.model_copy(update=update)
        if live:
            self.emit(kind="event", execution=self.executions[execution_id], event=event)
        return event

    def log(
        self,
        text: str,
        *,
        level: str = "INFO",
        source: str = "stdout",
        execution_id: str = "",
        task: str = "",
        moment: datetime = NOW,
        live: bool = True,
    ) -> None:
        line = LogModel(
            id=len(self.lines) + 1,
            time=moment,
            level=level,
            source=source,
            text=text,
            execution_id=execution_id,
            task=task,
        )
        self.lines.append(line)
        if live:
            self.emit(kind="log", log=line)

    def reload(self, **members: Any) -> None:
        result = ReloadModel(time=members.pop("time", NOW), **members)
        self.results = [known for known in self.results if known.path != result.path] + [result]
        self.emit(kind="reload", reload=result)

    def _check(self) -> None:
        if self.down:
            raise ServerUnavailableError("No server answers at http://127.0.0.1:8000.")

    # the client's side

    async def ready(self) -> Ready:
        self._check()
        return Ready(status="ready", database=True, workers=len(self.workers))

    async def list_workflows(self, namespace: str | None = None) -> list[WorkflowSummary]:
        self._check()
        return [WorkflowSummary.model_validate(workflow.model_dump()) for workflow in self.workflows.values()]

    async def get_workflow(self, ref: str, version: int | None = None) -> WorkflowDetail:
        self._check()
        if ref not in self.workflows:
            raise WorkflowNotFoundError(ref)
        return self.workflows[ref]

    async def run(
        self, ref: str, input: Any = None, mode: str = "async", version: int | None = None, idempotency_key: str = ""
    ) -> ExecutionSummary:
        self._check()
        self.calls.append(("run", ref, input))
        if self.refuse is not None:
            raise self.refuse
        summary = self.execution(ref, S.SCHEDULED, input=input, created_at=at(1), started_at=None)
        self.emit(kind="event", execution=summary)
        return summary

    async def resume(self, execution_id: str, input: Any = None, wait: str | None = None) -> ExecutionSummary:
        self._check()
        self.calls.append(("resume", execution_id, input, wait))
        if self.refuse is not None:
            raise self.refuse
        found = [item for item in self.open_waits if item.execution_id == execution_id and item.id == wait]
        if not found:
            raise WaitNotFoundError("No such wait.")
        if found[0].answered:
            raise WaitAnsweredError("That wait was answered by somebody else.")
        amount = input.get("amount") if isinstance(input, dict) else None
        if isinstance(amount, int) and amount > 1000:
            raise InvalidInputError(
                errors=[{"loc": ["amount"], "msg": "more than the order is worth", "type": "value"}]
            )
        self.open_waits.remove(found[0])
        self.event(execution_id, E.WORKFLOW_RESUMING, "order", at(1), input, live=True, state=S.RESUMING)
        return self.executions[execution_id]

    async def cancel(self, execution_id: str, mode: str = "async") -> ExecutionSummary:
        self._check()
        self.calls.append(("cancel", execution_id))
        if self.executions[execution_id].state.is_terminal:
            raise ExecutionFinishedError("The execution is finished.")
        self.event(execution_id, E.WORKFLOW_CANCELLING, "order", at(1), live=True, state=S.CANCELLING)
        return self.executions[execution_id]

    async def get_execution(self, execution_id: str) -> ExecutionDetail:
        self._check()
        if execution_id not in self.executions:
            raise ExecutionContextNotFoundError(execution_id)
        summary = self.executions[execution_id]
        return ExecutionDetail(**summary.model_dump(), events=list(self.events[execution_id]))

    async def list_executions(
        self,
        state: Sequence[str] = (),
        workflow: str | None = None,
        namespace: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> ExecutionPage:
        self._check()
        newest = sorted(self.executions.values(), key=lambda item: (item.created_at, item.execution_id), reverse=True)
        start = int(cursor or 0)
        more = str(start + limit) if len(newest) > start + limit else None
        return ExecutionPage(executions=newest[start : start + limit], next_cursor=more, total=len(newest))

    async def list_waits(self) -> list[PendingWaitModel]:
        self._check()
        return list(self.open_waits)

    async def logs(self, execution_id: str | None = None, after: int = 0, limit: int = 1000) -> list[LogModel]:
        self._check()
        lines = [line for line in self.lines if line.id > after]
        return [line for line in lines if execution_id in (None, line.execution_id)][-limit:]

    async def list_workers(self) -> list[WorkerModel]:
        self._check()
        return list(self.workers)

    async def reloads(self) -> list[ReloadModel]:
        self._check()
        return list(self.results)

    async def live(self, last_event_id: int | None = None) -> AsyncIterator[LiveEvent]:
        self._check()
        self.calls.append(("live", last_event_id))
        queue: asyncio.Queue[LiveEvent | None] = asyncio.Queue()
        if last_event_id is not None:
            for message in self.past:
                if message.id > last_event_id:
                    queue.put_nowait(message)
        self._queues.append(queue)
        try:
            while (message := await queue.get()) is not None:
                yield message
        finally:
            self._queues.remove(queue)

    async def close(self) -> None:
        self.break_connections()


class FakeControls:
    """Implements `Controls`."""

    def __init__(self) -> None:
        self.status = ServerStatus("running", pid=4242)
        self.reloads = 0
        self.restarts = 0

    def server_status(self) -> ServerStatus:
        return self.status

    async def reload_now(self) -> None:
        self.reloads += 1

    async def restart_server(self) -> None:
        self.restarts += 1
        self.status = ServerStatus("running", pid=4243)


def populate(api: FakeApi) -> FakeApi:
    """A shop, an ETL and a model: one execution in each state."""
    api.workers = [WorkerModel(name="local-1", online=True, slots=4, running=3, embedded=True)]
    for ref, schema, text in (
        ("shop/order", ORDER, "Take an order, charge it, ask a person."),
        ("default/etl", None, "Load the night's files."),
        ("ml/train", {"type": "object", "properties": {"epochs": {"type": "integer"}}}, "Train the model."),
    ):
        namespace, _, name = ref.partition("/")
        api.workflows[ref] = WorkflowDetail(
            namespace=namespace,
            name=name,
            version=4,
            description=text,
            path=f"{name if name != 'order' else 'shop'}.py",
            line=11,
            input_schema=schema,
            tasks=["reserve_stock", "charge_card", "pack"],
            source=SOURCE,
            created_at=at(-900),
        )
    _running(api)
    _paused(api)
    _ended(api)
    for number, text in enumerate(("loaded 500 rows", "charging 118.00 EUR", "worker ready")):
        api.log(text, moment=at(-30 + number), execution_id="9c2e" + "0" * 28 if number == 0 else "", live=False)
    api.log("retrying after a timeout", level="WARNING", source="shop", task="charge_card", moment=at(-5), live=False)
    return api


def _running(api: FakeApi) -> None:
    run = api.execution(
        "default/etl",
        S.RUNNING,
        execution_id="9c2e" + "0" * 28,
        version=9,
        created_at=at(-4.1),
        current_task="load_batch",
        worker="local-1",
        input={"day": "2026-02-28"},
    )
    history = (
        (E.WORKFLOW_SCHEDULED, "etl", -4.1, ""),
        (E.WORKFLOW_CLAIMED, "local-1", -4.0, ""),
        (E.WORKFLOW_STARTED, "etl", -4.0, ""),
        (E.TASK_STARTED, "fetch", -3.9, "t1"),
        (E.TASK_COMPLETED, "fetch", -2.5, "t1"),
        (E.TASK_STARTED, "load_batch", -2.4, "t2"),
    )
    for kind, name, seconds, source in history:
        api.event(
            run.execution_id, kind, name, at(seconds), {"rows": 500} if kind is E.TASK_COMPLETED else None, source
        )


def _paused(api: FakeApi) -> None:
    shown = {"order": 7, "amount": 118.0, "customer": "Ada"}
    run = api.execution(
        "shop/order",
        S.PAUSED,
        execution_id="7f3a" + "0" * 28,
        created_at=at(-130),
        current_task="approval",
        input={"order": 7, "customer": "Ada"},
        output=shown,
    )
    history: tuple[tuple[E, str, float, str, str, Any], ...] = (
        (E.WORKFLOW_SCHEDULED, "order", -130, "", "", None),
        (E.WORKFLOW_CLAIMED, "local-1", -129.6, "", "", None),
        (E.WORKFLOW_STARTED, "order", -129.5, "", "", {"order": 7}),
        (E.TASK_STARTED, "reserve_stock", -129.4, "a1", "", None),
        (E.TASK_COMPLETED, "reserve_stock", -128.0, "a1", "", True),
        (E.TASK_STARTED, "charge_card", -127.9, "a2", "", None),
        (E.TASK_RETRY_STARTED, "charge_card", -126.0, "a2", "", None),
        (E.TASK_COMPLETED, "charge_card", -124.0, "a2", "", "receipt-118"),
        (E.TASK_STARTED, "fan_out", -123.9, "a3", "", None),
        (E.TASK_STARTED, "pack", -123.8, "a4", "a3", None),
        (E.TASK_COMPLETED, "pack", -122.0, "a4", "a3", "box-1"),
        (E.TASK_COMPLETED, "fan_out", -121.9, "a3", "", ["box-1"]),
        (E.TASK_PAUSED, "approval", -121.8, "a5", "", shown),
        (E.WORKFLOW_PAUSED, "order", -121.7, "", "", shown),
    )
    for kind, name, seconds, source, parent, value in history:
        api.event(run.execution_id, kind, name, at(seconds), value, source, parent)
    api.open_waits = [
        PendingWaitModel(
            execution_id=run.execution_id,
            namespace="shop",
            workflow="order",
            id="a5",
            name="approval",
            kind=WaitKind.INPUT,
            since=at(-121.8),
            output=shown,
            input_schema=APPROVAL,
        ),
        PendingWaitModel(
            execution_id="4bd9" + "0" * 28,
            namespace="ml",
            workflow="train",
            id="s1",
            name="sleep",
            kind=WaitKind.TIMER,
            since=at(-400),
            wakes_at=at(3200),
        ),
    ]


def _ended(api: FakeApi) -> None:
    trace = (
        'Traceback (most recent call last):\n  File "etl.py", line 41, in parse\n    return int(row["amount"])\n'
        "           ^^^^^^^^^^^^^^^^^^\nValueError: invalid literal for int() with base 10: 'n/a'\n"
    )
    failure = {"type": "ValueError", "message": "invalid literal for int() with base 10: 'n/a'", "traceback": trace}
    failed = api.execution(
        "default/etl",
        S.FAILED,
        execution_id="51aa" + "0" * 28,
        version=8,
        created_at=at(-300),
        finished_at=at(-288),
        current_task="parse",
        input={"day": "2026-02-27"},
        output=failure,
    )
    api.event(failed.execution_id, E.WORKFLOW_STARTED, "etl", at(-300))
    api.event(failed.execution_id, E.TASK_STARTED, "parse", at(-299), source="p1")
    api.event(failed.execution_id, E.TASK_FAILED, "parse", at(-288), failure, source="p1")
    api.event(failed.execution_id, E.WORKFLOW_FAILED, "etl", at(-288), failure)
    api.execution(
        "shop/order",
        S.COMPLETED,
        execution_id="4be0" + "0" * 28,
        created_at=at(-360),
        finished_at=at(-356.7),
        input={"order": 6},
        output={"ok": True},
    )
    api.execution(
        "ml/train",
        S.RUNNING,
        execution_id="4bd9" + "0" * 28,
        created_at=at(-420),
        current_task="sleep",
        input={"epochs": 3},
    )
    api.execution(
        "shop/order",
        S.CANCELLED,
        execution_id="4bc1" + "0" * 28,
        created_at=at(-540),
        finished_at=at(-539.6),
        input={"order": 5},
    )
    for number in range(6):
        api.execution(
            "default/etl",
            S.COMPLETED,
            execution_id=f"4ab{number}" + "0" * 28,
            version=8,
            created_at=at(-700 - 90 * number),
            finished_at=at(-690 - 90 * number + number),
        )
