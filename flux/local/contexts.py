"""Executions for scripts: `ContextManager`, on the configured store."""

from __future__ import annotations

import builtins
from dataclasses import replace
from typing import Any, Self

from flux.codec import Codec
from flux.config import load_settings
from flux.domain import Execution, ExecutionState
from flux.engine.context import ExecutionContext
from flux.errors import ExecutionContextNotFoundError, UsageError
from flux.local.opening import from_outside
from flux.local.owners import this_process
from flux.store import ExecutionFilter, Store


class ContextManager:
    """Reads executions from the configured store, for use outside of workflows.

    Example:
        >>> manager = ContextManager.create()  # doctest: +SKIP
        >>> manager.get("7f3a…").output  # doctest: +SKIP
        'Hello, Ada'
        >>> [ctx.execution_id for ctx in manager.list(state="PAUSED")]  # doctest: +SKIP
        ['91bc…']
    """

    def __init__(self) -> None:
        settings = load_settings({})
        self._codec = Codec(settings.serializer, settings.signing_key())

    @classmethod
    def create(cls) -> Self:
        """The one for the settings in force."""
        return cls()

    def get(self, execution_id: str) -> ExecutionContext[Any]:
        """Where an execution stands. Raises `ExecutionContextNotFoundError`."""
        return from_outside(lambda store: self._read(store, execution_id))

    def list(
        self,
        workflow: str | None = None,
        namespace: str | None = None,
        state: str | None = None,
        limit: int = 50,
    ) -> builtins.list[ExecutionContext[Any]]:
        """Executions, newest first.

        Args:
            workflow: a name in any namespace, or `namespace/name`.
            state: only those in this state.
        """
        states = () if state is None else (ExecutionState(state),)
        wanted = ExecutionFilter(states=states, workflow=workflow, namespace=namespace)

        async def read(store: Store) -> builtins.list[ExecutionContext[Any]]:
            page = await store.executions.list(wanted, limit)
            return [await self._context(store, execution) for execution in page.items]

        return from_outside(read)

    def save(self, ctx: ExecutionContext[Any]) -> ExecutionContext[Any]:
        """Keep an execution that comes from elsewhere, such as from `ExecutionContext.from_json`.

        What the store has already stays as it is: every event was recorded when it happened. Returns what the
        store has. Raises `UsageError` for one that is not finished: nothing could go on with it here.
        """
        return from_outside(lambda store: self._keep(store, ctx))

    async def _keep(self, store: Store, ctx: ExecutionContext[Any]) -> ExecutionContext[Any]:
        try:
            return await self._read(store, ctx.execution_id)
        except ExecutionContextNotFoundError:
            if not ctx.has_finished:
                raise UsageError(
                    f"Execution '{ctx.execution_id}' is {ctx.state}: only finished ones can be brought here.",
                    hint="Start its workflow again with `.run(…)`.",
                ) from None
        execution, records = ctx.recorded()
        begun = records[0].time if records else execution.created_at
        new = replace(execution, state=ExecutionState.CREATED, output=None, created_at=begun, digest="local:")
        await store.executions.create_owned(new, this_process(), records)
        return await self._read(store, ctx.execution_id)

    async def _read(self, store: Store, execution_id: str) -> ExecutionContext[Any]:
        return await self._context(store, await store.executions.get(execution_id))

    async def _context(self, store: Store, execution: Execution) -> ExecutionContext[Any]:
        return ExecutionContext(execution, self._codec, list(await store.executions.history(execution.id)))
