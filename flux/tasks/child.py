"""`call`: another workflow as a child execution."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from flux.domain import WorkflowRef
from flux.engine.builtin import perform
from flux.engine.calls import caller_location
from flux.engine.frame import current_frame
from flux.engine.workflow import Workflow
from flux.errors import UsageError

_UNSET: Any = object()


async def call(
    workflow: Workflow[Any, Any] | str,
    *args: Any,
    input: Any = _UNSET,
    mode: Literal["sync", "async"] = "sync",
    timeout: float | timedelta | None = None,
    routing_input: Any = None,
) -> Any:
    """Run another workflow as a child execution and return its output.

    The child is an execution of its own, with its own id and history. It runs the version that is current when it
    starts. The parent holds no worker while it waits; a child that is paused shows as the parent being paused, and
    who cancels the parent cancels the child.

    Args:
        workflow: the workflow, or `"namespace/name"`, or `"name"` for the namespace `default`.
        args: the input; several make a list.
        input: the input by name.
        mode: "sync" waits for the end; "async" returns the child's execution id as soon as it is started, and
            leaves it alone from then on.
        timeout: seconds after which the child is cancelled and `ExecutionTimeoutError` is raised.
        routing_input: accepted for older code.

    Raises `ExecutionError` when the child cannot be started or does not complete: `inner_exception` is its error,
    `InvalidInputError` for an input that does not fit, or `WorkflowNotFoundError`.

    Example:
        >>> async def body(ctx):
        ...     receipt = await call("billing/charge", {"order": ctx.input, "total": 118})
        ...     return receipt["id"]
    """
    from flux.engine.children import ChildCall, outcome_of  # only what runs needs asyncio

    ref = _ref(workflow)
    value = _value(args, input)
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if mode not in ("sync", "async"):
        raise UsageError(f"mode={mode!r} is unknown.", hint='Use "sync" or "async".')
    known = workflow if isinstance(workflow, Workflow) else None
    asked = ChildCall(ref, known, value, mode == "async", seconds)

    async def body() -> Any:
        return await outcome_of(current_frame(), asked)

    return await perform(f"call_workflow_{ref}", (value, mode), {"workflow": str(ref)}, body, caller_location())


def _ref(workflow: object) -> WorkflowRef:
    if isinstance(workflow, Workflow):
        return workflow.ref
    if isinstance(workflow, str):
        return WorkflowRef.parse(workflow)
    raise UsageError(
        f"`call` takes a workflow or its name, not {type(workflow).__name__}.",
        hint='Write `call(other_workflow, input)` or `call("namespace/name", input)`.',
    )


def _value(args: tuple[Any, ...], input: Any) -> Any:
    """The child's input: one argument is the input itself, several are a list."""
    if input is not _UNSET:
        if args:
            raise UsageError("`call` got its input twice.", hint="Give it once: `call(workflow, value)`.")
        return input
    if len(args) > 1:
        return list(args)
    return args[0] if args else None
