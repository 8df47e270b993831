"""`flux exec`: run a workflow of a file in this process, durable in the local store, without a server."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flux.cli import outcome
from flux.cli.inputs import parse_input
from flux.cli.options import Format, FormatOption, Input, WaitName, example, new_app
from flux.cli.render import put_json, talk

if TYPE_CHECKING:
    from flux.engine.context import ExecutionContext
    from flux.engine.workflow import Workflow

app = new_app("Run a workflow of a file here and now, without a server.")


@app.command(
    "exec",
    epilog=example(
        "flux exec hello.py hello World",
        "flux exec shop.py shop/order @order.json --format json",
        "flux exec shop.py shop/order '{\"approved\": true}' --resume 7f3a52c0e1b94d6f8a2c5e0d9b7134f6",
    ),
)
def execute(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Python file with the workflow.")],
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its name, or namespace/name.")],
    input: Input = None,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="ID", help="Answer this paused execution with INPUT.")
    ] = None,
    wait: WaitName = None,
    format: FormatOption = "simple",
) -> None:
    """Run a workflow of a file here and now, durable in the local store, and print the outcome.

    A failed execution exits with 1; a paused one prints how to answer it. What the code prints goes to
    stderr with `--format json`.
    """
    from flux.cli.loading import find_workflow, load_file

    value = parse_input(input)
    with _user_output(format):
        found = find_workflow(load_file(file), workflow, file)
        ctx = found.run(value) if resume is None else _resume(found, resume, value, wait, given=input is not None)
    outcome.leave(_conclude(ctx, file, workflow, format))


def _resume(
    workflow: Workflow[Any, Any], execution_id: str, value: object, wait: str | None, *, given: bool
) -> ExecutionContext[Any]:
    """Answer a pause, or go on with an interrupted execution when there is nothing to answer with."""
    if given or wait is not None:
        return workflow.resume(execution_id, value, wait)
    return workflow.run(execution_id=execution_id)


def _conclude(ctx: ExecutionContext[Any], file: Path, workflow: str, format: Format) -> int:
    summary = ctx.summary()
    put_json(ctx.to_dict() if format == "json" else summary)
    if ctx.is_paused:
        talk("Paused: somebody has to answer.", style="yellow")
        talk(f"  Answer it: flux exec {file} {workflow} INPUT --resume {ctx.execution_id}")
        return 0
    return outcome.ended(str(ctx.state), summary["output"])


def _user_output(format: Format) -> contextlib.AbstractContextManager[object]:
    """What the code prints must not end up in the middle of the JSON."""
    if format == "json":
        return contextlib.redirect_stdout(sys.stderr)
    return contextlib.nullcontext()
