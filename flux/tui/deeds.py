"""Commands that act on executions, workflows and the server."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from flux.domain.events import ExecutionEventType, WaitKind
from flux.tui.commands import Context
from flux.tui.model import equivalents
from flux.tui.model.equivalents import Equivalent
from flux.tui.model.format import clock_time, preview, ref_of, short_id, state_text, workflow_label
from flux.tui.model.jsonlines import code_line, json_text
from flux.tui.model.store import Topic
from flux.tui.model.text import Line, Span, clean
from flux.wire.models import EventModel, ExecutionSummary, LogModel, PendingWaitModel

if TYPE_CHECKING:
    from flux.tui.app import FluxApp

_LAST_INPUTS = 5


class Deeds:
    """Mixin of `Actions`."""

    app: FluxApp
    work: Callable[[Coroutine[Any, Any, None]], None]

    def did(self, what: str, equivalent: Equivalent) -> None:
        """Say what was done and how to do it without the dashboard."""
        self.app.note(
            Span(f"{what}  ", "good"),
            Span(f"≡ {clean(equivalent.cli)}", ""),
            Span(f"   {clean(equivalent.http)}", "dim"),
        )

    # executions

    def execution_open(self, _: Context) -> None:
        """Open the detail; in the detail, the line under the cursor in full."""
        from flux.tui.screens.executions import ExecutionsScreen

        area = self.app.area
        if not isinstance(area, ExecutionsScreen):
            return
        if not area.detail.focus_within:
            area.open_detail()
            return
        item = area.detail.view.item
        if isinstance(item, EventModel):
            self._view_event(item)
        elif isinstance(item, LogModel):
            self._view_log(item)

    def _view_event(self, event: EventModel) -> None:
        from flux.tui.dialogs.viewer import ViewerDialog

        facts: list[tuple[str, str]] = [
            ("task", event.name),
            ("at", clock_time(event.time)),
            ("line", event.location),
            ("call", event.source_id),
            ("child", event.child_id),
            ("parent", self._parent_of(event)),
        ]
        related = event.child_id or self._parent_of(event)
        lines: list[Line] = [(Span(f"{name:<6}", "dim"), Span(clean(text))) for name, text in facts if text]
        if event.value is not None:
            lines += [(), *(code_line(row) for row in json_text(event.value).split("\n"))]
        target = related if related in self.app.store.executions else ""
        self.app.push_screen(ViewerDialog(f"{event.seq} {event.type.value}", lines, execution=target))

    def _parent_of(self, event: EventModel) -> str:
        """The execution that has started the one shown; its first step leads there."""
        execution = self.app.context().execution
        started = event.type is ExecutionEventType.WORKFLOW_STARTED
        return execution.parent_id if started and execution is not None else ""

    def _view_log(self, log: LogModel) -> None:
        from flux.tui.dialogs.viewer import ViewerDialog

        facts = [
            ("time", log.time.isoformat()),
            ("level", log.level),
            ("source", log.source),
            ("run", log.execution_id),
            ("task", log.task),
        ]
        lines: list[Line] = [(Span(f"{name:<8}", "dim"), Span(clean(text))) for name, text in facts if text]
        lines += [(), (Span(clean(log.text)),)]
        target = log.execution_id if log.execution_id in self.app.store.executions else ""
        self.app.push_screen(ViewerDialog("Log line", lines, execution=target, wrapped=True))

    def log_open(self, _: Context) -> None:
        """The line under the cursor in full."""
        view = self.app.area.main
        if view.follow:
            view.set_follow(False)
            self.app.area.refresh_bars()
        if isinstance(view.item, LogModel):
            self._view_log(view.item)

    def show_execution(self, execution_id: str) -> None:
        """Go to an execution in area 1."""
        from flux.tui.screens.executions import ExecutionsScreen

        app = self.app
        while len(app.screen_stack) > 1:
            app.pop_screen()
        app.switch_mode("executions")

        def choose() -> None:
            area = app.area
            if isinstance(area, ExecutionsScreen):
                area.redraw(set(Topic))
                if not area.main.select(execution_id):
                    area.set_filter("")
                    area.main.select(execution_id)
                area.moved()

        app.later(choose)

    def wait_execution(self, context: Context) -> None:
        """From a wait to its execution."""
        if context.execution:
            self.show_execution(context.execution.execution_id)

    def execution_cancel(self, context: Context) -> None:
        """Ask, then cancel."""
        from flux.tui.dialogs.confirm import ConfirmDialog

        execution = context.execution
        assert execution is not None
        label = workflow_label(ref_of(execution.namespace, execution.workflow), execution.version)
        question = [
            f"{state_text(execution.state)}" + (f": {execution.current_task}" if execution.current_task else "")
        ]
        question.append("Tasks in flight are rolled back where they can be; finished ones stay.")
        title = f"Cancel {label} {short_id(execution.execution_id)}?"

        def answered(yes: bool | None) -> None:
            if yes:
                self.work(self._cancel(execution.execution_id))

        self.app.push_screen(ConfirmDialog(title, question, yes="Cancel it", no="Keep running"), answered)

    async def _cancel(self, execution_id: str) -> None:
        answer = await self.app.api.cancel(execution_id)
        self._took_in(answer)
        self.did(f"⊘ {short_id(execution_id)} {state_text(answer.state)[2:]}", equivalents.cancel(execution_id))

    def _took_in(self, execution: ExecutionSummary) -> None:
        self.app.store.put_execution(execution)
        self.app.changed({Topic.EXECUTIONS, Topic.WAITS, Topic.WORKFLOWS})

    def wait_answer(self, context: Context) -> None:
        """The form of the selected wait."""
        self.execution_resume(context)

    def execution_resume(self, context: Context) -> None:
        """The form of the only wait; of several, choose first."""
        if context.wait is not None:
            self._ask(context.wait)
            return
        open_waits = [wait for wait in context.waits if wait.kind is WaitKind.INPUT and not wait.answered]
        if len(open_waits) == 1:
            self._ask(open_waits[0])
            return
        from flux.tui.dialogs.choice import ChoiceDialog

        options = [
            (f"{wait.name}  {preview(wait.output) if wait.output is not None else ''}", wait) for wait in open_waits
        ]
        self.app.push_screen(
            ChoiceDialog("Answer which wait?", options), lambda wait: self._ask(wait) if wait else None
        )

    def _ask(self, wait: PendingWaitModel) -> None:
        from flux.tui.dialogs.form import Asked, FormDialog

        ref = ref_of(wait.namespace, wait.workflow)
        asked = Asked(
            title=f"Resume {workflow_label(ref, 0)} · {short_id(wait.execution_id)} · {clean(wait.name)}",
            submit="Resume",
            schema=wait.input_schema,
            shown=wait.output,
            draft=f"{wait.execution_id} {wait.id}",
        )

        async def send(value: Any) -> None:
            answer = await self.app.api.resume(wait.execution_id, value, wait.id)
            self._took_in(answer)
            self.app.feed.later("waits", self.app.feed.load_waits)
            equivalent = equivalents.resume(wait.execution_id, value, wait.name)
            later = " · local: flux exec FILE … --resume goes on" if answer.is_local else ""
            self.did(f"▶ {short_id(wait.execution_id)} resumed{later}", equivalent)

        self.app.push_screen(FormDialog(asked, send))

    def execution_rerun(self, context: Context) -> Coroutine[Any, Any, None]:
        """Start again with the same input."""
        execution = context.execution
        assert execution is not None
        return self._start(ref_of(execution.namespace, execution.workflow), execution.input)

    def execution_edit(self, context: Context) -> Coroutine[Any, Any, None]:
        """The form of the workflow, filled with this input."""
        execution = context.execution
        assert execution is not None
        return self._ask_input(ref_of(execution.namespace, execution.workflow), execution.input, given=True)

    # workflows

    def workflow_run(self, context: Context) -> Coroutine[Any, Any, None]:
        """The form of the workflow's input."""
        workflow = context.workflow
        assert workflow is not None
        return self._ask_input(ref_of(workflow.namespace, workflow.name))

    async def _ask_input(self, ref: str, value: Any = None, *, given: bool = False) -> None:
        from flux.tui.dialogs.form import Asked, FormDialog

        detail = await self.app.api.get_workflow(ref)
        asked = Asked(
            title=f"Run {workflow_label(ref, detail.version)}",
            submit="Run",
            schema=detail.input_schema,
            value=value,
            has_value=given,
            draft=f"run {ref}" if not given else "",
            last=self.last_inputs(ref),
            optional=True,
        )
        self.app.push_screen(FormDialog(asked, lambda sent: self._start(ref, sent)))

    def last_inputs(self, ref: str) -> list[Any]:
        """Different inputs of the newest executions of a workflow."""
        found: list[Any] = []
        for _, execution_id in self.app.store.order:
            execution = self.app.store.executions[execution_id]
            if ref_of(execution.namespace, execution.workflow) == ref and execution.input not in found:
                found.append(execution.input)
            if len(found) == _LAST_INPUTS:
                break
        return found

    async def _start(self, ref: str, value: Any) -> None:
        execution = await self.app.api.run(ref, value, mode="async")
        self._took_in(execution)
        self.show_execution(execution.execution_id)
        self.did(f"● {short_id(execution.execution_id)} started", equivalents.run(ref, value))

    def workflow_source(self, context: Context) -> Coroutine[Any, Any, None]:
        """Read the source."""
        workflow = context.workflow
        assert workflow is not None
        return self._source(ref_of(workflow.namespace, workflow.name))

    async def _source(self, ref: str) -> None:
        from flux.tui.dialogs.viewer import ViewerDialog

        detail = await self.app.api.get_workflow(ref)
        rows = (detail.source or "(the server has no source of it)").split("\n")
        lines: list[Line] = [(Span(f"{number:>4} ", "dim"), *code_line(row)) for number, row in enumerate(rows, 1)]
        self.app.push_screen(
            ViewerDialog(f"{workflow_label(ref, detail.version)}  {clean(detail.path)}", lines, at=detail.line - 1)
        )

    # the server

    async def reload_now(self, _: Context) -> None:
        """Check all watched files."""
        if self.app.controls is not None:
            await self.app.controls.reload_now()
            self.app.note(Span("↻ checking the watched files", "dim"), seconds=2.0)

    async def server_restart(self, _: Context) -> None:
        """Stop and start the server child."""
        if self.app.controls is not None:
            self.app.note(Span("↻ restarting the server", "dim"))
            await self.app.controls.restart_server()

    def run_by_name(self, ref: str) -> None:
        """The form of a workflow's input, from anywhere."""
        self.work(self._ask_input(ref))
