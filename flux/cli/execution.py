"""`flux execution …`: look at executions, answer, cancel and rerun them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flux.cli import outcome
from flux.cli.inputs import parse_input
from flux.cli.moment import clock, show_moment, shown
from flux.cli.options import ExecutionId, FormatOption, Input, ServerUrl, WaitName, example, new_app
from flux.cli.render import age, fields, put, put_json, put_json_line, table, talk, took
from flux.cli.replay import replay
from flux.cli.session import on_server

if TYPE_CHECKING:
    from flux.client.client import FluxClient
    from flux.wire.models import EventModel, ExecutionDetail, ExecutionSummary, PendingWaitModel

app = new_app("Look at executions, answer, cancel and rerun them.")


@app.command("list", epilog=example("flux execution list --state PAUSED --state FAILED --workflow shop/order"))
def list_executions(
    state: Annotated[list[str] | None, typer.Option("--state", help="Only in this state; may repeat.")] = None,
    workflow: Annotated[str | None, typer.Option("--workflow", help="Only of this workflow.")] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", help="Only of this namespace.")] = None,
    parent: Annotated[str | None, typer.Option("--parent", help="Only what this execution has started.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="At most this many.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where an earlier list ended.")] = None,
    format: FormatOption = "simple",
    server_url: ServerUrl = "",
) -> None:
    """List executions, newest first."""
    states = _states(state or [])
    page = on_server(
        server_url, lambda client: client.list_executions(states, workflow, namespace, limit, cursor, parent)
    )
    if format == "json":
        return put_json(page)
    if not page.executions:
        return talk("No executions." if not (states or workflow or namespace or parent) else "No executions match.")
    rows = [
        (one.execution_id, _ref(one), one.state, one.current_task, age(one.created_at), _took(one), one.worker)
        for one in page.executions
    ]
    table(("id", "workflow", "state", "task", "age", "took", "worker"), rows)
    if page.next_cursor:
        talk(f"{len(page.executions)} of {page.total}. Older ones: --cursor {page.next_cursor}")
    return None


@app.command("show", epilog=example("flux execution show 7f3a91c2", "flux execution show 7f3a91c2 --at 5"))
def show(
    execution_id: ExecutionId,
    at: Annotated[int | None, typer.Option("--at", metavar="SEQ", help="How it stood behind this event.")] = None,
    format: FormatOption = "simple",
    server_url: ServerUrl = "",
) -> None:
    """Show an execution: state, input, output, and what it waits for; with --at as it stood then."""
    if at is not None:
        return show_moment(on_server(server_url, lambda client: client.get_snapshot(execution_id, at)), format)

    async def work(client: FluxClient) -> tuple[ExecutionDetail, list[PendingWaitModel]]:
        execution = await client.get_execution(execution_id)
        waits = [] if execution.state.is_terminal else await client.pending(execution_id)
        return execution, waits

    execution, waits = on_server(server_url, work)
    if format == "json":
        return put_json(execution)
    fields(
        {
            "execution": execution.execution_id,
            "workflow": f"{_ref(execution)} (version {execution.version})" if execution.version else _ref(execution),
            "state": execution.state,
            "task": execution.current_task,
            "worker": execution.worker,
            "created": execution.created_at,
            "took": _took(execution),
            "events": execution.events_count or len(execution.events),
            "parent": execution.parent_id,
        }
    )
    fields({"input    ": shown(execution.input), "output   ": shown(execution.output)})
    for child in execution.children:
        put(f"child      {child.execution_id} {child.namespace}/{child.workflow} {child.state}")
    for wait in waits:
        named = wait.kind if wait.kind == wait.name else f"{wait.kind} {wait.name}"
        put(f"waits for  {named}{_below(wait, execution)}{_until(wait)}")
    if execution.state == "PAUSED":
        outcome.tell_paused(execution, waits)
    return None


@app.command("events", epilog=example("flux execution events 7f3a91c2 --follow"))
def events(
    execution_id: ExecutionId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the execution has finished.")] = False,
    format: FormatOption = "simple",
    server_url: ServerUrl = "",
) -> None:
    """Print the events of an execution, oldest first."""

    async def work(client: FluxClient) -> None:
        if follow:
            async for event in client.follow(execution_id):
                put_json_line(event) if format == "json" else put(_line(event))
        elif format == "json":
            put_json(await client.get_events(execution_id))
        else:
            for event in await client.get_events(execution_id):
                put(_line(event))

    on_server(server_url, work)


app.command("replay", epilog=example("flux execution replay 7f3a91c2", "flux execution replay 7f3a91c2 --no-step"))(
    replay
)


@app.command("cancel", epilog=example("flux execution cancel 7f3a91c2 9c2e04b7"))
def cancel(
    execution_ids: Annotated[list[str], typer.Argument(metavar="ID…", help="Ids of the executions.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until each has ended.")] = False,
    format: FormatOption = "simple",
    server_url: ServerUrl = "",
) -> None:
    """Cancel executions; their rollbacks run. The others are cancelled even if one cannot be."""
    from flux.cli.errors import tell
    from flux.errors import FluxError

    async def work(client: FluxClient) -> tuple[list[ExecutionSummary], int]:
        done: list[ExecutionSummary] = []
        code = 0
        for execution_id in execution_ids:
            try:
                done.append(await client.cancel(execution_id, "sync" if wait else "async"))
            except FluxError as error:
                tell(error)
                code = error.exit_code
        return done, code

    cancelled, code = on_server(server_url, work)
    if format == "json":
        put_json(cancelled)
    else:
        for execution in cancelled:
            put(f"{execution.execution_id}  {execution.state}")
            if execution.is_local:
                outcome.tell_local(execution)
    outcome.leave(code)


@app.command("resume", epilog=example("flux execution resume 7f3a91c2 '{\"approved\": true}' --wait approval"))
def resume(
    execution_id: ExecutionId,
    input: Input = None,
    wait: WaitName = None,
    sync: Annotated[bool, typer.Option("--sync", help="Wait until it has finished or is paused again.")] = False,
    format: FormatOption = "simple",
    server_url: ServerUrl = "",
) -> None:
    """Answer what a paused execution waits for."""
    value = parse_input(input)

    async def work(client: FluxClient) -> int:
        if sync:
            return await outcome.concluded(client, await client.resume_sync(execution_id, value, wait), format)
        outcome.started(await client.resume(execution_id, value, wait), format)
        return 0

    outcome.leave(on_server(server_url, work))


@app.command(
    "rerun", epilog=example("flux execution rerun 7f3a91c2", "flux execution rerun 7f3a91c2 --same-version --sync")
)
def rerun(
    execution_id: ExecutionId,
    same_version: Annotated[
        bool, typer.Option("--same-version", help="On the version it ran, not the newest.")
    ] = False,
    sync: Annotated[bool, typer.Option("--sync", help="Wait until it has finished or is paused.")] = False,
    format: FormatOption = "simple",
    server_url: ServerUrl = "",
) -> None:
    """Run the same workflow with the same input again, as a new execution."""

    async def work(client: FluxClient) -> int:
        earlier = await client.get_execution(execution_id)
        _check_replayable(earlier)
        version = earlier.version if same_version and earlier.version else None
        execution = await client.run(_ref(earlier), earlier.input, "sync" if sync else "async", version)
        if sync:
            return await outcome.concluded(client, execution, format)
        outcome.started(execution, format)
        return 0

    outcome.leave(on_server(server_url, work))


def _check_replayable(execution: ExecutionDetail) -> None:
    from flux.codec import HIDDEN
    from flux.errors import UsageError

    if execution.input == HIDDEN:
        raise UsageError(
            f"The input of '{execution.execution_id}' contains a secret, which is not shown to anybody.",
            hint=f"Give it again: flux workflow run {_ref(execution)} INPUT",
        )
    if isinstance(execution.input, dict) and set(execution.input) == {"$type", "preview"}:
        raise UsageError(
            f"The input of '{execution.execution_id}' is a Python object ({execution.input['$type']}) that JSON "
            "cannot carry.",
            hint="Run it from Python instead.",
        )


def _states(names: list[str]) -> list[str]:
    from flux.domain.events import ExecutionState
    from flux.errors import UsageError

    wanted = [part.strip().upper() for name in names for part in name.split(",") if part.strip()]
    for name in wanted:
        if name not in ExecutionState.__members__:
            known = ", ".join(ExecutionState.__members__)
            raise UsageError(f"'{name}' is not a state.", hint=f"States are {known}.")
    return wanted


def _ref(execution: ExecutionSummary) -> str:
    return f"{execution.namespace}/{execution.workflow}"


def _took(execution: ExecutionSummary) -> str:
    return took(execution.started_at or execution.created_at, execution.finished_at)


def _line(event: EventModel) -> str:
    value = "" if event.value is None else f"  {shown(event.value)}"
    return f"{event.seq:>4}  {clock(event)}  {event.type:<24} {event.name}{value}"


def _below(wait: PendingWaitModel, execution: ExecutionDetail) -> str:
    """Where a wait is that the execution has only through a child."""
    return "" if wait.execution_id == execution.execution_id else f" in {wait.execution_id}"


def _until(wait: PendingWaitModel) -> str:
    return f" until {wait.wakes_at.astimezone():%Y-%m-%d %H:%M:%S}" if wait.wakes_at else ""
