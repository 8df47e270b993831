"""Results of tasks that may be used again."""

from __future__ import annotations

from functools import partial

from flux.clock import Clock
from flux.codec import Payload
from flux.store.committer import Committer
from flux.store.driver import Driver, Transaction


class Cache:
    """Values by key, shared by everything that uses the database. What has expired counts as missing."""

    def __init__(self, driver: Driver, committer: Committer, clock: Clock) -> None:
        self._driver = driver
        self._sql = driver.statements
        self._submit = committer.submit
        self._clock = clock

    async def get(self, key: str) -> Payload | None:
        """The value under a key."""
        found = await self._driver.get(self._sql["get_cached"], {"key": key, "now": self._clock.now()})
        return Payload(*found[0]) if found else None

    async def put(self, key: str, value: Payload, expires_at: int | None = None) -> None:
        """Keep a value, in place of an earlier one; expired ones go.

        Args:
            expires_at: microseconds UTC; None keeps it.
        """
        await self._submit(partial(self._put, key, value, expires_at))

    async def _put(self, key: str, value: Payload, expires_at: int | None, transaction: Transaction) -> None:
        now = self._clock.now()
        values = {
            "key": key,
            "data": value.data,
            "encoding": value.encoding,
            "preview": value.preview,
            "expires_at": expires_at,
            "now": now,
        }
        await transaction.execute(self._sql["put_cached"], values)
        await transaction.execute(self._sql["drop_expired"], {"now": now})
