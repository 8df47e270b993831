"""Captured output, bounded: the oldest lines make room for new ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from flux.domain import LogLine
from flux.store import rows
from flux.store.committer import Committer
from flux.store.driver import Driver, Transaction

PER_EXECUTION = 10_000
"""Lines kept of one execution."""

OVERALL = 200_000
"""Lines kept altogether."""

_SLACK = 10
"""Pruning happens after a tenth of the limit was added, not at every line."""


class Logs:
    """Captured lines in the order in which they came; at most a tenth more than the limits is kept."""

    def __init__(
        self, driver: Driver, committer: Committer, per_execution: int = PER_EXECUTION, overall: int = OVERALL
    ) -> None:
        self._driver = driver
        self._sql = driver.statements
        self._submit = committer.submit
        self._per_execution = per_execution
        self._overall = overall
        self._added: Counter[str] = Counter()
        self._added_overall = 0

    async def add(self, lines: Sequence[LogLine]) -> list[LogLine]:
        """Keep lines; returns them with their ids, which grow."""
        if not lines:
            return []
        crowded = self._crowded(lines)
        return await self._submit(partial(self._add, lines, crowded))

    async def read(self, execution_id: str | None = None, after: int = 0, limit: int = 1000) -> list[LogLine]:
        """Lines with an id beyond `after`, in order.

        Without an execution and without `after`: the newest lines of everything, in order as well.
        """
        values = {"after": after, "limit": limit}
        if execution_id is not None:
            found = await self._driver.read(self._sql["read_logs_of"], values | {"execution_id": execution_id})
        elif after:
            found = await self._driver.read(self._sql["read_logs"], values)
        else:
            found = (await self._driver.read(self._sql["newest_logs"], {"limit": limit}))[::-1]
        return [rows.log_line(row) for row in found]

    def _crowded(self, lines: Sequence[LogLine]) -> list[str | None]:
        """Whose oldest lines to prune now; None stands for all."""
        crowded: list[str | None] = []
        for execution_id, count in Counter(line.execution_id for line in lines if line.execution_id).items():
            self._added[execution_id] += count
            if self._added[execution_id] >= max(1, self._per_execution // _SLACK):
                crowded.append(execution_id)
                del self._added[execution_id]
        self._added_overall += len(lines)
        if self._added_overall >= max(1, self._overall // _SLACK):
            crowded.append(None)
            self._added_overall = 0
            self._added.clear()  # keeps the counters themselves bounded
        return crowded

    async def _add(
        self, lines: Sequence[LogLine], crowded: Sequence[str | None], transaction: Transaction
    ) -> list[LogLine]:
        kept = []
        for line in lines:
            values = {
                "execution_id": line.execution_id,
                "time": line.time,
                "level": line.level,
                "source": line.source,
                "task": line.task,
                "text": line.text,
            }
            number = await transaction.insert(self._sql["insert_log"], values)
            kept.append(replace(line, id=number))
        for execution_id in crowded:
            if execution_id is None:
                await transaction.execute(self._sql["prune_logs"], {"keep": self._overall})
            else:
                values = {"execution_id": execution_id, "keep": self._per_execution}
                await transaction.execute(self._sql["prune_logs_of"], values)
        return kept
