"""SQLite: writes on the calling thread, long reads on a second connection in a thread of its own."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, cast

from flux.errors import StoreError
from flux.store.driver import Row, Synchronous, Transaction
from flux.store.errors import cannot_open, explain
from flux.store.statements import Statement, Values, load

if TYPE_CHECKING:
    import aiosqlite

MEMORY = ":memory:"
BUSY_TIMEOUT_MS = 15_000
WAL_LIMIT = 32 * 2**20
"""Bytes of the write-ahead log beyond which a checkpoint waits for readers, so that it starts over."""

PAGE_SIZE = 2048
"""Bytes. A commit writes whole pages, and an event is small; of new files only."""

CHECKPOINT_PAGES: dict[Synchronous, int] = {"full": 1_000, "normal": 4_000}
"""Pages of write-ahead log at which a commit folds it into the file. Syncing a log that starts over, in blocks it
has used before, is faster than syncing one that grows; without syncing, fewer checkpoints are."""

_CHECK_WAL_EVERY = 1_000
_CACHED_STATEMENTS = 256
_CACHE_KIB = 8_000
_ROWS_AT_ONCE = 32

log = logging.getLogger("flux.store")


class SQLiteDriver:
    """One database file, or `:memory:` (then everything shares the one connection).

    Commits happen on the calling thread: a hop to another one costs more than the commit itself.
    """

    inline = True

    def __init__(self, path: str, synchronous: Synchronous = "full") -> None:
        self.path = path
        self.statements = load("sqlite")
        self._commits = 0
        self._reader: aiosqlite.Connection | None = None
        try:
            self._connection = connect(path, synchronous)
        except (sqlite3.Error, OSError) as error:
            raise cannot_open(error, path) from error

    @property
    def changes(self) -> int:
        """Rows written since the database was opened."""
        return self._connection.total_changes

    async def begin(self) -> Transaction:
        """Take the write lock, waiting up to `BUSY_TIMEOUT_MS` for other processes."""
        try:
            self._connection.execute("begin immediate")
        except sqlite3.Error as error:
            raise explain(error, self.path) from error
        return self

    async def commit(self, transaction: Transaction) -> None:
        """Make it durable; now and then look at the size of the write-ahead log."""
        try:
            self._connection.execute("commit")
        except sqlite3.Error as error:
            raise explain(error, self.path) from error
        self._commits += 1
        if self._commits % _CHECK_WAL_EVERY == 0 and self.path != MEMORY:
            self._bound_wal()

    async def rollback(self, transaction: Transaction) -> None:
        """Undo it, unless SQLite has done so by itself."""
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("rollback")

    async def fetch(self, statement: Statement, values: Values) -> list[Row]:
        """Run a statement and return its rows."""
        try:
            return self._connection.execute(statement.sql, statement.bind(values)).fetchall()
        except (sqlite3.Error, OverflowError) as error:
            raise self._explained(error) from error

    async def insert(self, statement: Statement, values: Values) -> int:
        """Insert one row and return its integer key; cheaper than a `returning` clause."""
        try:
            return self._connection.execute(statement.sql, statement.bind(values)).lastrowid or 0
        except (sqlite3.Error, OverflowError) as error:
            raise self._explained(error) from error

    async def insert_many(self, statement: Statement, rows: Sequence[Values]) -> int:
        """Insert rows and return the integer key of the first: nobody else gets keys between them."""
        last = 0
        try:
            for begin in range(0, len(rows), _ROWS_AT_ONCE):
                chunk = [statement.bind(values) for values in rows[begin : begin + _ROWS_AT_ONCE]]
                inserted = self._connection.execute(statement.of_rows(len(chunk)), tuple(chain.from_iterable(chunk)))
                last = inserted.lastrowid or 0
        except (sqlite3.Error, OverflowError) as error:
            raise self._explained(error) from error
        return last - len(rows) + 1

    async def execute(self, statement: Statement, values: Values) -> int:
        """Run a statement and return how many rows it changed."""
        try:
            return self._connection.execute(statement.sql, statement.bind(values)).rowcount
        except (sqlite3.Error, OverflowError) as error:
            raise self._explained(error) from error

    async def get(self, statement: Statement, values: Values) -> list[Row]:
        """Read a few rows on the calling thread."""
        return await self.fetch(statement, values)

    async def read(self, statement: Statement, values: Values) -> list[Row]:
        """Read a long list in the reader's thread."""
        if self.path == MEMORY:
            return await self.fetch(statement, values)
        try:
            reader = self._reader or await self._open_reader()
            return cast(list[Row], await reader.execute_fetchall(statement.sql, statement.bind(values)))
        except (sqlite3.Error, OverflowError) as error:
            raise self._explained(error) from error

    async def close(self) -> None:
        """Close both connections; the last one folds the write-ahead log into the file."""
        if self._reader is not None:
            reader, self._reader = self._reader, None
            await reader.close()
        self._connection.close()

    async def _open_reader(self) -> aiosqlite.Connection:
        import aiosqlite  # most local runs read no long list

        reader = await aiosqlite.connect(self.path, isolation_level=None, cached_statements=_CACHED_STATEMENTS)
        await reader.execute(f"pragma busy_timeout = {BUSY_TIMEOUT_MS}")
        await reader.execute("pragma query_only = on")
        if self._reader is not None:
            await reader.close()  # another reader was opened meanwhile
        else:
            self._reader = reader
        return self._reader

    def _bound_wal(self) -> None:
        """Wait for readers a little if they have kept the log from starting over for long; never raises."""
        try:
            ((_, frames, _),) = self._connection.execute("pragma wal_checkpoint(passive)").fetchall()
            if frames * PAGE_SIZE > WAL_LIMIT:
                self._connection.execute("pragma busy_timeout = 250")
                self._connection.execute("pragma wal_checkpoint(restart)").fetchall()
        except sqlite3.Error as error:
            log.warning("%s keeps a long write-ahead log: %s", self.path, error)
        finally:
            self._connection.execute(f"pragma busy_timeout = {BUSY_TIMEOUT_MS}")

    def _explained(self, error: sqlite3.Error | OverflowError) -> StoreError:
        return explain(error if isinstance(error, sqlite3.Error) else sqlite3.DataError(str(error)), self.path)


def connect(path: str, synchronous: Synchronous) -> sqlite3.Connection:
    """A connection for writing, its file and folders created, in WAL mode."""
    if path != MEMORY:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        path, isolation_level=None, cached_statements=_CACHED_STATEMENTS, check_same_thread=False
    )
    try:
        connection.execute(f"pragma busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute(f"pragma page_size = {PAGE_SIZE}")
        _use_wal(connection)
        for pragma in (
            f"wal_autocheckpoint = {CHECKPOINT_PAGES[synchronous]}",
            f"synchronous = {synchronous}",
            f"fullfsync = {int(synchronous == 'full')}",  # macOS: fsync alone does not reach the disk
            "foreign_keys = on",
            f"cache_size = -{_CACHE_KIB}",
            f"journal_size_limit = {WAL_LIMIT}",
        ):
            connection.execute(f"pragma {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL; SQLite does not wait by itself when several processes switch a new file at once."""
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("pragma journal_mode = wal").fetchall()
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
