"""Outputs that a storage keeps: the log holds references, the code gets the values."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from flux.domain.outputs import OutputStorageReference
from flux.errors import UsageError

if TYPE_CHECKING:
    from flux.engine.policies import Attempted
    from flux.engine.session import Session

Body = Callable[[], Awaitable[Any]]


async def perform_kept(attempt: Attempted, body: Body, undo: Callable[[], Awaitable[None]]) -> Any:
    """Perform a call whose value the task's storage keeps; what is recorded is a reference to it."""
    session, storage = attempt.session, attempt.task.options.output_storage
    values: list[Any] = []

    async def kept() -> OutputStorageReference:
        values.append(await body())
        return await keep(session, storage, attempt.call.id, values[-1])

    async def opened(recorded: Any) -> Any:
        # What was recorded before the task had a storage is the value itself.
        is_kept = isinstance(recorded, OutputStorageReference)
        return await _outside(session, storage.retrieve, recorded) if is_kept else recorded

    outcome = await session.perform(attempt.call, kept, undo, opened)
    return values[-1] if values else outcome


async def keep(session: Session, storage: Any, name: str, value: Any) -> OutputStorageReference:
    """Store a value under a name that no other activation uses: what one has committed no other may overwrite."""
    execution = session.execution
    reference = await _outside(session, storage.store, f"{execution.id}.{execution.generation}.{name}", value)
    if not isinstance(reference, OutputStorageReference):
        raise UsageError(
            f"{type(storage).__name__}.store returned a {type(reference).__name__}.",
            hint="Return an OutputStorageReference.",
        )
    return reference


async def _outside(session: Session, method: Callable[..., Any], *args: Any) -> Any:
    if inspect.iscoroutinefunction(method):
        return await method(*args)
    return await session.outside_loop(lambda: method(*args))
