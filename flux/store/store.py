"""One database and everything Flux keeps in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Self

from flux.clock import Clock, SystemClock
from flux.codec import Seal
from flux.errors import ConfigurationError, DatabaseConnectionError, StoreError
from flux.store.cache import Cache
from flux.store.catalog import Catalog
from flux.store.committer import Committer
from flux.store.configs import Configs
from flux.store.driver import Driver, Synchronous
from flux.store.errors import cannot_open
from flux.store.executions import Executions
from flux.store.ledger import Ledger
from flux.store.locking import ServerLock
from flux.store.logs import Logs
from flux.store.migrate import migrate
from flux.store.secrets import Secrets
from flux.store.services import Services
from flux.store.sqlite import MEMORY, SQLiteDriver
from flux.store.waits import Waits
from flux.store.workers import Workers

_SQLITE = "sqlite:///"


class Store:
    """An open database. It belongs to the event loop it was opened in.

    Example:
        >>> import asyncio
        >>> async def count() -> int:
        ...     store = await Store.open("sqlite:///:memory:")
        ...     try:
        ...         return (await store.executions.list()).total
        ...     finally:
        ...         await store.close()
        >>> asyncio.run(count())
        0
    """

    def __init__(
        self,
        driver: Driver,
        clock: Clock,
        lock: ServerLock | None = None,
        secrets_key: Callable[[], bytes] | None = None,
    ) -> None:
        self._driver = driver
        self._lock = lock
        ledger = Ledger(driver.statements, clock)
        self.committer = Committer(driver, on_undo=ledger.forget)
        self.executions = Executions(driver, self.committer, ledger, clock)
        self.waits = Waits(driver, self.committer, ledger, clock)
        self.catalog = Catalog(driver, self.committer, clock)
        self.services = Services(driver, self.committer, clock)
        self.workers = Workers(driver, self.committer, clock)
        self.logs = Logs(driver, self.committer)
        self.cache = Cache(driver, self.committer, clock)
        self.secrets = Secrets(driver, self.committer, clock, Seal(secrets_key or _no_key, "flux secrets"))
        self.configs = Configs(driver, self.committer, clock, self.secrets)

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        clock: Clock | None = None,
        synchronous: Synchronous = "full",
        exclusive: bool = False,
        secrets_key: Callable[[], bytes] | None = None,
    ) -> Self:
        """Open a database, creating and migrating it as needed.

        Args:
            url: `sqlite:///relative/path`, `sqlite:////absolute/path` or `sqlite:///:memory:`.
            clock: for what the store itself dates.
            synchronous: `full` survives power loss; `normal` may lose the last moments then, but nothing when
                only the process dies.
            exclusive: be the only server of this file.
            secrets_key: gives what secrets are encrypted with; asked once, when there is one to encrypt or to open.

        Raises `DatabaseConnectionError` when it cannot be opened or another server holds it, and
        `ConfigurationError` for a url of an unknown kind.
        """
        path = sqlite_path(url)
        lock = _lock(path) if exclusive and path != MEMORY else None
        clock = clock or SystemClock()
        driver: Driver | None = None
        try:
            driver = SQLiteDriver(path, synchronous)
            await migrate(driver, clock)
        except BaseException as error:
            if driver is not None:
                await driver.close()
            if lock is not None:
                lock.release()
            if isinstance(error, StoreError) and not isinstance(error, DatabaseConnectionError):
                raise DatabaseConnectionError(error.message, hint=error.hint) from error
            raise
        return cls(driver, clock, lock, secrets_key)

    async def close(self) -> None:
        """Commit what is queued and close the database."""
        await self.committer.close()
        await self._driver.close()
        if self._lock is not None:
            self._lock.release()


def sqlite_path(url: str) -> str:
    """The path in a `sqlite:///` url, or `:memory:`.

    Example:
        >>> sqlite_path("sqlite:///flux.db"), sqlite_path("sqlite:////var/lib/flux.db")
        ('flux.db', '/var/lib/flux.db')
    """
    if url in ("sqlite://", f"{_SQLITE}{MEMORY}"):
        return MEMORY
    if not url.startswith(_SQLITE) or url == _SQLITE:
        kind = url.partition(":")[0]
        raise ConfigurationError(
            f"No database for a '{kind}' url.", hint="Write database_url as sqlite:///path/to/flux.db."
        )
    return str(Path(url.removeprefix(_SQLITE)).expanduser())


def _no_key() -> bytes:
    raise ConfigurationError("The store was opened without a key for secrets.")


def _lock(path: str) -> ServerLock:
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_open(error, path) from error
    return ServerLock(path)
