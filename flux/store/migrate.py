"""Brings a database to the newest schema: numbered files, in order, inside one lock."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from flux.clock import Clock
from flux.errors import DatabaseConnectionError
from flux.store.driver import Driver
from flux.store.statements import Statement

MIGRATIONS = Path(__file__).parent / "migrations"


def migrations(dialect: str, folder: Path = MIGRATIONS) -> dict[int, Path]:
    """The files by number; `0001_name.<dialect>.sql` stands in for `0001_name.sql`."""
    found = {_number(path): path for path in sorted(folder.glob("*.sql")) if path.suffixes == [".sql"]}
    return found | {_number(path): path for path in sorted(folder.glob(f"*.{dialect}.sql"))}


def _number(path: Path) -> int:
    return int(path.name.partition("_")[0])


async def migrate(driver: Driver, clock: Clock, folder: Path = MIGRATIONS) -> list[int]:
    """Apply what is missing and return its numbers; several processes may do so at once.

    Raises `DatabaseConnectionError` when the database was written by a newer Flux.
    """
    statements = driver.statements
    files = migrations(statements.dialect, folder)
    transaction = await driver.begin()
    try:
        await transaction.execute(statements["create_migrations"], {})
        applied = {number for (number,) in await transaction.fetch(statements["applied_migrations"], {})}
        _refuse_newer(applied, files)
        missing = sorted(files.keys() - applied)
        for number in missing:
            for text in split(files[number].read_text(encoding="utf-8")):
                await transaction.execute(Statement.parse(files[number].stem, text, statements.dialect), {})
            record = {"number": number, "name": files[number].stem, "applied_at": clock.now()}
            await transaction.execute(statements["insert_migration"], record)
    except BaseException:
        await driver.rollback(transaction)
        raise
    await driver.commit(transaction)
    return missing


def _refuse_newer(applied: set[int], files: dict[int, Path]) -> None:
    if applied - files.keys():
        raise DatabaseConnectionError(
            f"The database has schema {max(applied)}, this Flux knows {max(files)}.",
            hint="Upgrade Flux, or choose another database_url.",
        )


def split(script: str) -> Iterator[str]:
    """The statements of a script, one by one: SQLite commits before a script that runs as a whole."""
    statement = ""
    for line in script.splitlines(keepends=True):
        if not statement and line.lstrip().startswith("--"):
            continue
        statement += line
        if line.rstrip().endswith(";") and sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
