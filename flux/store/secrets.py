"""Secrets: encrypted in the database, opened for those who ask for them by name."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial

from flux.clock import Clock
from flux.codec import Redactor, Seal
from flux.domain.naming import check_key
from flux.errors import SecretNotFoundError, UsageError, WrongKeyError
from flux.store.committer import Committer
from flux.store.driver import Driver, Transaction

logger = logging.getLogger("flux.store")


class Secrets:
    """Texts by name. Their values leave this class to whoever asks for one, and nowhere else.

    Attributes:
        known: what `redactor` returned last.
    """

    def __init__(self, driver: Driver, committer: Committer, clock: Clock, seal: Seal) -> None:
        self._driver = driver
        self._sql = driver.statements
        self._submit = committer.submit
        self._clock = clock
        self._seal = seal
        self.known = Redactor()
        self._learned: object = None
        self._unreadable: set[str] = set()

    async def set(self, name: str, value: str) -> None:
        """Keep a secret, in place of an earlier one. Raises `UsageError` for what cannot be one."""
        check_key("secret", name)
        _check_value(name, value)
        sealed = self._seal.seal(value.encode(), name.encode())
        await self._submit(partial(self._put, name, sealed))

    async def get(self, names: Iterable[str]) -> dict[str, str]:
        """Those that are there. Raises `WrongKeyError` for one that was kept under another key."""
        found = {name: await self._driver.get(self._sql["get_secret"], {"name": name}) for name in names}
        return {name: self._open(name, rows[0][0]) for name, rows in found.items() if rows}

    async def names(self) -> list[str]:
        """Names of all secrets, in order."""
        return [name for name, _ in await self._driver.get(self._sql["list_secrets"], {})]

    async def remove(self, name: str) -> None:
        """Forget a secret. Raises `SecretNotFoundError`."""
        await self._submit(partial(self._delete, name))

    async def redactor(self) -> Redactor:
        """Hides the values of all secrets: of those that are kept now, and of those that were since the start.

        They are read when they have changed only, by whatever process.
        """
        ((state),) = await self._driver.get(self._sql["secrets_state"], {})
        if state != self._learned:
            self.known.learn(await self._values())
            self._learned = state
        return self.known

    async def _values(self) -> list[str]:
        values = []
        for name, sealed in await self._driver.get(self._sql["list_secrets"], {}):
            try:
                values.append(self._open(name, sealed))
            except WrongKeyError as error:
                if name not in self._unreadable:
                    self._unreadable.add(name)
                    logger.warning("%s %s", error, error.hint)
        return values

    def _open(self, name: str, sealed: bytes) -> str:
        return self._seal.open(sealed, f"The secret '{name}'", name.encode()).decode()

    async def _put(self, name: str, sealed: bytes, transaction: Transaction) -> None:
        values = {"name": name, "sealed": sealed, "now": self._clock.now()}
        await transaction.execute(self._sql["put_secret"], values)
        self._learned = None

    async def _delete(self, name: str, transaction: Transaction) -> None:
        if not await transaction.execute(self._sql["delete_secret"], {"name": name}):
            raise SecretNotFoundError(f"Secret '{name}' not found.")


def _check_value(name: str, value: str) -> None:
    try:
        if not value:
            raise UsageError(f"The secret '{name}' is empty.", hint="Remove it, if there is none.")
        value.encode()
    except UnicodeEncodeError:
        raise UsageError(f"The secret '{name}' is not text.", hint="Keep bytes in base64.") from None
