"""Workers that have registered once."""

from __future__ import annotations

import builtins
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from flux.clock import Clock
from flux.errors import WorkerNotFoundError
from flux.store import rows
from flux.store.committer import Committer
from flux.store.driver import Driver, Row, Transaction
from flux.store.records import WorkerRecord
from flux.store.statements import Values


class Workers:
    """What workers say of themselves, and when they were last seen."""

    def __init__(self, driver: Driver, committer: Committer, clock: Clock) -> None:
        self._driver = driver
        self._sql = driver.statements
        self._submit = committer.submit
        self._clock = clock

    async def register(self, name: str, data: Mapping[str, Any]) -> WorkerRecord:
        """Keep what a worker says of itself (plain JSON values); again replaces it."""
        values = {"name": name, "data": json.dumps(data), "now": self._clock.now()}
        return rows.worker((await self._submit(partial(self._rows, "register_worker", values)))[0])

    async def get(self, name: str) -> WorkerRecord:
        """Raises `WorkerNotFoundError`."""
        found = await self._driver.get(self._sql["get_worker"], {"name": name})
        if not found:
            raise _unknown(name)
        return rows.worker(found[0])

    async def list(self) -> builtins.list[WorkerRecord]:
        """All of them, by name."""
        return [rows.worker(row) for row in await self._driver.read(self._sql["list_workers"], {})]

    async def seen(self, name: str, now: int) -> None:
        """Note that it was there at `now` (microseconds UTC). Raises `WorkerNotFoundError`."""
        await self._submit(partial(self._one, "seen_worker", {"name": name, "now": now}))

    async def remove(self, name: str) -> None:
        """Forget it. Raises `WorkerNotFoundError`."""
        await self._submit(partial(self._one, "remove_worker", {"name": name}))

    async def _rows(self, statement: str, values: Values, transaction: Transaction) -> builtins.list[Row]:
        return await transaction.fetch(self._sql[statement], values)

    async def _one(self, statement: str, values: Values, transaction: Transaction) -> None:
        if not await transaction.execute(self._sql[statement], values):
            raise _unknown(values["name"])


def _unknown(name: str) -> WorkerNotFoundError:
    return WorkerNotFoundError(f"Worker '{name}' not found.", hint="List them with `flux worker list`.")
