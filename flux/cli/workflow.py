"""`flux workflow …`: register, look at and run workflows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flux.cli import outcome
from flux.cli.check import check
from flux.cli.inputs import parse_input
from flux.cli.options import ExecutionId, Format, FormatOption, Input, Mode, Ref, ServerUrl, WaitName, example, new_app
from flux.cli.render import age, fields, put, put_json, summary, table, talk
from flux.cli.session import on_server

if TYPE_CHECKING:
    from flux.client.client import FluxClient
    from flux.wire.models import ExecutionDetail, WorkflowSummary

app = new_app("Register, look at and run workflows.")

Version = Annotated[int | None, typer.Option("--version", min=1, help="Run this version. [default: the newest]")]
CancelMode = Literal["sync", "async"]


@app.command("list", epilog=example("flux workflow list", "flux workflow list --namespace shop --format json"))
def list_workflows(
    namespace: Annotated[str | None, typer.Option("--namespace", help="Only of this namespace.")] = None,
    format: FormatOption = "simple",
    server_url: ServerUrl = "",
) -> None:
    """List the registered workflows."""
    workflows = on_server(server_url, lambda client: client.list_workflows(namespace))
    if format == "json":
        return put_json(workflows)
    if not workflows:
        return talk("No workflows. Register some with `flux workflow register FILE`, or run `flux dev`.")
    return _table(workflows)


@app.command("register", epilog=example("flux workflow register shop.py billing.py"))
def register(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Python files with workflows.")],
    format: FormatOption = "simple",
    server_url: ServerUrl = "",
) -> None:
    """Register the workflows of files, with the local modules they import.

    Each file is imported once, in a throwaway process. A workflow gets a new version only if its code
    has changed.
    """
    from flux.cli.register import register_file

    async def work(client: FluxClient) -> list[tuple[Path, list[WorkflowSummary]]]:
        return [(file, await register_file(client, file)) for file in files]

    registered = on_server(server_url, work)
    if format == "json":
        return put_json([workflow for _, workflows in registered for workflow in workflows])
    for file, workflows in registered:
        put(f"Registered {len(workflows)} workflow{'s' if len(workflows) != 1 else ''} from {file}:")
        for workflow in workflows:
            put(f"  {workflow.namespace}/{workflow.name} (version {workflow.version})")
    return None


@app.command("show", epilog=example("flux workflow show shop/order"))
def show(ref: Ref, version: Version = None, format: FormatOption = "simple", server_url: ServerUrl = "") -> None:
    """Show a workflow: version, tasks, options and the schema of its input."""
    workflow = on_server(server_url, lambda client: client.get_workflow(ref, version))
    if format == "json":
        return put_json(workflow)
    return fields(
        {
            "workflow": f"{workflow.namespace}/{workflow.name}",
            "version": workflow.version,
            "description": workflow.description,
            "file": f"{workflow.path}:{workflow.line}" if workflow.path else "",
            "digest": workflow.digest[:12],
            "registered": workflow.created_at,
            "tasks": ", ".join(workflow.tasks),
            "options": workflow.options,
            "input": workflow.input_schema,
            "output": workflow.output_schema,
        }
    )


@app.command("versions", epilog=example("flux workflow versions shop/order"))
def versions(ref: Ref, format: FormatOption = "simple", server_url: ServerUrl = "") -> None:
    """List the versions of a workflow."""
    found = on_server(server_url, lambda client: client.list_versions(ref))
    if format == "json":
        return put_json(found)
    return _table(found)


app.command("check", epilog=example("flux workflow check shop.py", "flux workflow check shop/order --all"))(check)


@app.command("delete", epilog=example("flux workflow delete shop/order --yes"))
def delete(
    ref: Ref,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    server_url: ServerUrl = "",
) -> None:
    """Take a workflow out of the catalog; its history and what still runs stay."""
    if not yes:
        typer.confirm(f"Delete workflow '{ref}'?", abort=True, err=True)
    on_server(server_url, lambda client: client.delete_workflow(ref))
    talk(f"Deleted {ref}. Its executions stay.")


@app.command(
    "run",
    epilog=example(
        "flux workflow run hello World",
        "flux workflow run shop/order '{\"amount\": 7}' --mode sync",
        "flux workflow run shop/order @order.json --mode stream",
    ),
)
def run(
    ref: Ref,
    input: Input = None,
    mode: Annotated[Mode, typer.Option("--mode", help="Return at once, wait for the end, or show events.")] = "async",
    version: Version = None,
    format: FormatOption = "simple",
    server_url: ServerUrl = "",
) -> None:
    """Run a workflow.

    `async` prints the id of the execution; `sync` waits until it has finished or is paused; `stream`
    prints what happens. A failed execution exits with 1, a paused one with 0.
    """
    value = parse_input(input)

    async def work(client: FluxClient) -> int:
        if mode == "stream":
            return await _streamed(client, client.stream(ref, value, version), format)
        execution = await client.run(ref, value, mode, version, _new_key())
        if mode == "sync":
            return await outcome.concluded(client, execution, format)
        outcome.started(execution, format)
        return 0

    outcome.leave(on_server(server_url, work))


@app.command("resume", epilog=example("flux workflow resume shop/order 7f3a91c2 '{\"approved\": true}' --mode sync"))
def resume(
    ref: Ref,
    execution_id: ExecutionId,
    input: Input = None,
    wait: WaitName = None,
    mode: Annotated[Mode, typer.Option("--mode", help="Return at once, wait for the end, or show events.")] = "async",
    format: FormatOption = "simple",
    server_url: ServerUrl = "",
) -> None:
    """Answer what a paused execution waits for."""
    value = parse_input(input)

    async def work(client: FluxClient) -> int:
        await _of_workflow(client, ref, execution_id)
        if mode == "stream":
            return await _streamed(client, client.resume_stream(ref, execution_id, value, wait), format)
        if mode == "sync":
            execution = await client.resume_sync(execution_id, value, wait)
            return await outcome.concluded(client, execution, format)
        outcome.started(await client.resume(execution_id, value, wait), format)
        return 0

    outcome.leave(on_server(server_url, work))


@app.command("status", epilog=example("flux workflow status shop/order 7f3a91c2 --detailed"))
def status(
    ref: Ref,
    execution_id: ExecutionId,
    detailed: Annotated[bool, typer.Option("--detailed", help="With all members and events.")] = False,
    server_url: ServerUrl = "",
) -> None:
    """Print how an execution stands, as JSON."""
    execution = on_server(server_url, lambda client: _of_workflow(client, ref, execution_id))
    summary(execution, everything=detailed)


@app.command("cancel", epilog=example("flux workflow cancel shop/order 7f3a91c2 --mode sync"))
def cancel(
    ref: Ref,
    execution_id: ExecutionId,
    mode: Annotated[CancelMode, typer.Option("--mode", help="Return at once, or wait until it ended.")] = "async",
    format: FormatOption = "simple",
    server_url: ServerUrl = "",
) -> None:
    """Cancel an execution; its rollbacks run."""

    async def work(client: FluxClient) -> None:
        await _of_workflow(client, ref, execution_id)
        summary(await client.cancel(execution_id, mode), everything=format == "json")

    on_server(server_url, work)


async def _streamed(client: FluxClient, messages: AsyncIterator[tuple[str, dict[str, Any]]], format: Format) -> int:
    """Print a run's stream; the exit code of how it ended."""
    last: dict[str, Any] = {}
    async for event, data in messages:
        outcome.put_message(event, data, format)
        if event.startswith("workflow.execution."):
            last = data
    if last.get("state") == "PAUSED":
        execution = await client.get_execution(last["execution_id"])
        outcome.tell_paused(execution, await client.pending(execution.execution_id))
    return outcome.follow_end(last)


async def _of_workflow(client: FluxClient, ref: str, execution_id: str) -> ExecutionDetail:
    """The execution, refused when it belongs to another workflow than the command names."""
    from flux.domain.workflow import WorkflowRef
    from flux.errors import ExecutionContextNotFoundError

    named = WorkflowRef.parse(ref)
    execution = await client.get_execution(execution_id)
    actual = f"{execution.namespace}/{execution.workflow}"
    if str(named) != actual:
        raise ExecutionContextNotFoundError(
            execution_id, f"Execution '{execution_id}' belongs to {actual}, not to {named}."
        )
    return execution


def _new_key() -> str:
    from uuid import uuid4

    return uuid4().hex


def _table(workflows: list[WorkflowSummary]) -> None:
    rows = [
        (f"{one.namespace}/{one.name}", one.version, one.digest[:12], age(one.created_at), one.path)
        for one in workflows
    ]
    table(("workflow", "version", "digest", "age", "file"), rows)
