"""Reading executions: single ones, newest-first lists, the queue, histories and the commit order."""

from __future__ import annotations

import asyncio
import builtins
import re
from typing import Any

from flux.clock import Clock
from flux.domain import EventRecord, Execution, ExecutionState
from flux.errors import ConflictError, ExecutionContextNotFoundError, InvalidInputError
from flux.store import rows
from flux.store.driver import Driver
from flux.store.records import ExecutionFilter, Page

COUNT_LIMIT = 10_000
"""Lists count no further: a total must not cost more than the page it stands under."""

INLINE_EVENTS = 500
"""Events of a history that are read at once; between such pieces the event loop turns."""

ANY = ExecutionFilter()
"""Lets everything through."""

_PREFIX = re.compile("[0-9a-f]{6,31}")
_CANDIDATES = 5
_NEWEST = 2**62
_EVERYTHING = 2**31 - 1
_UNION = "select * from ({}) order by serial desc limit :limit"
_COUNT = "select count(*) from (select 1 from ({}) limit :limit)"


class ExecutionReads:
    """The reading half of `flux.store.executions.Executions`."""

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self._driver = driver
        self._clock = clock
        self._sql = driver.statements

    async def get(self, execution_id: str) -> Execution:
        """Raises `ExecutionContextNotFoundError`."""
        found = await self._driver.get(self._sql["get_execution"], {"id": execution_id})
        if not found:
            raise ExecutionContextNotFoundError(execution_id)
        return rows.execution(found[0])

    async def find(self, text: str) -> Execution:
        """The execution with that id, or the only one whose id begins like that (6 characters at least).

        Raises `ExecutionContextNotFoundError`, or `ConflictError` that names those it may mean.
        """
        try:
            return await self.get(text)
        except ExecutionContextNotFoundError:
            prefix = text.lower()
            if _PREFIX.fullmatch(prefix) is None:
                raise
            values = {"first": prefix, "beyond": f"{prefix}g", "limit": _CANDIDATES + 1}
            found = await self._driver.get(self._sql["find_executions"], values)
            if not found:
                raise
        if len(found) > 1:
            raise _ambiguous(text, [rows.execution(row).id for row in found])
        return rows.execution(found[0])

    async def list(self, filter: ExecutionFilter = ANY, limit: int = 50, cursor: str | None = None) -> Page:
        """Newest executions first; its cost does not depend on how many there are.

        Raises `InvalidInputError` for a cursor that no page gave.
        """
        scope, values = _scope(filter)
        before = _NEWEST if cursor is None else _parse_cursor(cursor)
        values |= {"before": before, "limit": limit + 1}
        if scope is None:
            found = await self._driver.read(self._sql["list_executions"], values)
        else:
            arms = self._sql.repeated(f"list_by_{scope}", "state", len(_states(filter)), _UNION)
            found = await self._driver.read(arms, values)
        more = len(found) > limit
        shown = found[:limit]
        return Page(
            tuple(rows.execution(row) for row in shown),
            next_cursor=str(shown[-1][0]) if more and shown else None,
            total=await self._count(filter),
        )

    async def children(self, execution_id: str, limit: int = 100) -> builtins.list[Execution]:
        """The executions that it has started, oldest first."""
        values = {"parent": execution_id, "limit": limit}
        return [rows.execution(row) for row in await self._driver.get(self._sql["children"], values)]

    async def live_children(self, execution_id: str) -> builtins.list[Execution]:
        """What it has started and what those have, at any depth, as far as it has not ended."""
        found = await self._driver.get(self._sql["live_children"], {"parent": execution_id})
        return [rows.execution(row) for row in found]

    async def ready(self, limit: int = 100) -> builtins.list[Execution]:
        """What waits for a worker and may start now, the longest waiting first; never local runs."""
        values = {"now": self._clock.now(), "limit": limit}
        return [rows.execution(row) for row in await self._driver.get(self._sql["ready_executions"], values)]

    async def held(self, owner: str | None = None) -> builtins.list[Execution]:
        """What is being run, by one owner or by all (local runs included)."""
        if owner is None:
            found = await self._driver.read(self._sql["held_executions"], {})
        else:
            found = await self._driver.read(self._sql["held_executions_of"], {"owner": owner})
        return [rows.execution(row) for row in found]

    async def history(self, execution_id: str, after: int = 0, limit: int | None = None) -> builtins.list[EventRecord]:
        """Its events with a `seq` beyond `after`, in order; nothing for an unknown id."""
        events: builtins.list[EventRecord] = []
        missing = _EVERYTHING if limit is None else limit
        while missing:
            size = min(missing, INLINE_EVENTS)
            values = {"id": execution_id, "after": after, "limit": size}
            piece = await self._driver.get(self._sql["history"], values)
            events.extend(map(rows.event, piece))
            if len(piece) < size:
                break
            after, missing = events[-1].seq, missing - size
            await asyncio.sleep(0)
        return events

    async def tail(self, position: int, limit: int) -> builtins.list[tuple[Execution, EventRecord]]:
        """Events of all executions committed after `position`, each with its execution as it stands now."""
        values = {"position": position, "limit": limit}
        found = await self._driver.read(self._sql["tail"], values)
        return [(rows.execution(row[rows.EVENT_COLUMNS :]), rows.event(row[: rows.EVENT_COLUMNS])) for row in found]

    async def last_position(self) -> int:
        """Place of the newest event in the commit order; 0 when there is none."""
        ((position,),) = await self._driver.get(self._sql["last_position"], {})
        return int(position)

    async def _count(self, filter: ExecutionFilter) -> int:
        scope, values = _scope(filter)
        if scope is None:
            counted = self._sql.repeated("count_executions", "state", 1, _COUNT)
        else:
            counted = self._sql.repeated(f"count_by_{scope}", "state", len(_states(filter)), _COUNT)
        ((total,),) = await self._driver.read(counted, values | {"limit": COUNT_LIMIT})
        return int(total)


def _scope(filter: ExecutionFilter) -> tuple[str | None, dict[str, Any]]:
    """Which statement serves a filter, and its values; None: everything matches."""
    namespace, workflow, parent = filter.namespace, filter.workflow, filter.parent
    if workflow and "/" in workflow:
        named, _, workflow = workflow.rpartition("/")
        namespace = named if namespace in (None, named) else ""  # contradicting filters match nothing
    values: dict[str, Any] = {f"state_{i}": state for i, state in enumerate(_states(filter))}
    if parent is not None:
        return "parent", values | {"parent": parent, "namespace": namespace, "workflow": workflow}
    if namespace is not None:
        values["namespace"] = namespace
    if workflow is not None:
        values["workflow"] = workflow
    match namespace is not None, workflow is not None:
        case True, True:
            return "ref", values
        case True, False:
            return "namespace", values
        case False, True:
            return "workflow", values
        case _:
            return ("state", values) if filter.states else (None, {})


def _states(filter: ExecutionFilter) -> list[str]:
    chosen = {ExecutionState(state).value for state in filter.states}
    return sorted(chosen) or sorted(state.value for state in ExecutionState)


def _parse_cursor(cursor: str) -> int:
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise InvalidInputError(f"'{cursor}' is not a cursor of this list.", hint="Start again without a cursor.")
    return int(cursor)


def _ambiguous(text: str, ids: builtins.list[str]) -> ConflictError:
    named = ", ".join(ids[:_CANDIDATES]) + (", …" if len(ids) > _CANDIDATES else "")
    return ConflictError(f"'{text}' is the beginning of several executions: {named}.", hint="Give more of the id.")
