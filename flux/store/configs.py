"""Configs: values by name that tasks ask for, and that are no secrets."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from flux.clock import Clock
from flux.codec import Payload
from flux.domain.naming import check_key
from flux.errors import ConfigNotFoundError, UsageError
from flux.store.committer import Committer
from flux.store.driver import Driver, Transaction
from flux.store.secrets import Secrets


class Configs:
    """JSON values by name."""

    def __init__(self, driver: Driver, committer: Committer, clock: Clock, secrets: Secrets) -> None:
        self._driver = driver
        self._sql = driver.statements
        self._submit = committer.submit
        self._clock = clock
        self._secrets = secrets

    async def set(self, name: str, value: Payload) -> None:
        """Keep a value, in place of an earlier one.

        Raises `UsageError` for a name that cannot be one, and for a value that contains a secret.
        """
        check_key("config", name)
        if (await self._secrets.redactor()).found(value.data):
            raise UsageError(
                f"The config '{name}' contains a secret, and configs are shown.",
                hint="Keep all of it as a secret, and ask for it with `secret_requests`.",
            )
        await self._submit(partial(self._put, name, value))

    async def get(self, names: Iterable[str]) -> dict[str, Payload]:
        """Those that are there."""
        found = {name: await self._driver.get(self._sql["get_config"], {"name": name}) for name in names}
        return {name: Payload(rows[0][0]) for name, rows in found.items() if rows}

    async def names(self) -> list[str]:
        """Names of all configs, in order."""
        return [name for (name,) in await self._driver.read(self._sql["list_configs"], {})]

    async def remove(self, name: str) -> None:
        """Forget a config. Raises `ConfigNotFoundError`."""
        await self._submit(partial(self._delete, name))

    async def _put(self, name: str, value: Payload, transaction: Transaction) -> None:
        values = {"name": name, "data": value.data, "now": self._clock.now()}
        await transaction.execute(self._sql["put_config"], values)

    async def _delete(self, name: str, transaction: Transaction) -> None:
        if not await transaction.execute(self._sql["delete_config"], {"name": name}):
            raise ConfigNotFoundError(f"Config '{name}' not found.")
