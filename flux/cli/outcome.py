"""What is said after a command has started, answered or waited for an execution."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from flux.cli.options import Format
from flux.cli.render import put, put_json, put_json_line, summary, talk
from flux.errors import NonDeterminismError
from flux.wire.divergence import told

if TYPE_CHECKING:
    from flux.client.client import FluxClient
    from flux.wire.models import ExecutionSummary, PendingWaitModel


def started(execution: ExecutionSummary, format: Format) -> None:
    """After an asynchronous call: the id on stdout, how to follow it on stderr."""
    if format == "json":
        return put_json(execution)
    put(execution.execution_id)
    talk(f"{execution.namespace}/{execution.workflow} is {execution.state}.")
    if execution.is_local:
        return tell_local(execution)
    talk(f"  Follow it:      flux execution events {execution.execution_id} --follow")
    return talk(f"  See the result: flux execution show {execution.execution_id}")


async def concluded(client: FluxClient, execution: ExecutionSummary, format: Format) -> int:
    """After a call that waited: the execution on stdout, what to do next on stderr.

    Returns the exit code: 0 when it completed or is paused, 1 otherwise.
    """
    summary(execution, everything=format == "json")
    if execution.state == "PAUSED":
        tell_paused(execution, await client.pending(execution.execution_id))
        return 0
    if execution.is_local:
        tell_local(execution)
        return 0
    return ended(execution.state, execution.output)


def ended(state: str, output: Any) -> int:
    """The exit code of a final state; a failure is told on stderr."""
    if state == "COMPLETED":
        return 0
    if state == "FAILED":
        talk(f"The execution failed: {failure(output)}", style="red")
    else:
        talk(f"The execution is {state}.")
    return 1


def tell_local(execution: ExecutionSummary) -> None:
    """Who brings on what the server does not run, on stderr."""
    talk("  A local run, which no server goes on with. From the folder of its store:")
    ref = f"{execution.namespace}/{execution.workflow}"
    return talk(f"  Go on with it:  flux exec FILE {ref} --resume {execution.execution_id}")


def tell_paused(execution: ExecutionSummary, waits: Sequence[PendingWaitModel]) -> None:
    """How to answer what a paused execution waits for, on stderr."""
    for wait in waits:
        if wait.kind == "divergence" and isinstance(wait.output, dict):
            return tell_divergence(wait.output)
    ref = f"{execution.namespace}/{execution.workflow}"
    waiting = [wait for wait in waits if wait.kind == "input" and not wait.answered]
    talk(f"Paused: {ref} waits for {', '.join(repr(wait.name) for wait in waiting) or 'somebody'}.", style="yellow")
    for wait in waiting:
        named = f" --wait {wait.name}" if len(waiting) > 1 else ""
        command = f"workflow resume {ref} {execution.execution_id} {_placeholder(wait)}{named}"
        if named and wait.execution_id != execution.execution_id:
            # Several children may ask for the same.
            command = f"execution resume {wait.execution_id} {_placeholder(wait)}"
        talk(f"  Answer it: flux {command}")
    return None


def tell_divergence(members: Mapping[str, Any]) -> None:
    """Where code and history have parted, on stderr."""
    talk("The code asks for something else than its history has: nothing new was started.", style="red")
    for line in divergence_lines(members):
        talk(f"  {line}")
    talk(NonDeterminismError.hint)


def divergence_lines(members: Mapping[str, Any]) -> list[str]:
    """Recorded call, what the code does now, and the likely cause: a line each."""
    rows = told(members, Path.cwd())
    width = max((len(text) for _, text, place in rows if place), default=0)
    return [f"{what:<8}  {text.ljust(width) if place else text}  {place}".rstrip() for what, text, place in rows]


def follow_end(data: dict[str, Any]) -> int:
    """The exit code after a stream whose last state message was `data`."""
    state = str(data.get("state", ""))
    return 0 if state == "PAUSED" else ended(state, data.get("output"))


def failure(output: Any) -> str:
    """One line about a failed execution's output."""
    if isinstance(output, dict) and ("message" in output or "type" in output):
        return ": ".join(str(part) for part in (output.get("type"), output.get("message")) if part)
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, default=str)


def put_message(event: str, data: dict[str, Any], format: Format) -> None:
    """One message of a run's stream: a line for people, or a JSON line."""
    if format == "json":
        return put_json_line({"event": event, "data": data})
    known = ("execution_id", "timestamp", "time", "type", "id", "seq", "source_id", "parent", "location")
    rest = {name: value for name, value in data.items() if name not in known and value not in (None, "")}
    shown = "  ".join(f"{name}={_short(value)}" for name, value in rest.items())
    return put(f"{event}  {shown}".rstrip())


def leave(code: int) -> None:
    """End the command with an exit code."""
    if code:
        raise typer.Exit(code)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 200 else f"{text[:199]}…"


def _placeholder(wait: PendingWaitModel) -> str:
    """What to type for INPUT: the members of the schema, or just INPUT."""
    properties = (wait.input_schema or {}).get("properties")
    if not isinstance(properties, dict) or not properties:
        return "INPUT"
    members = ", ".join(f'"{name}": …' for name in properties)
    return f"'{{{members}}}'"
