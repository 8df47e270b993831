"""Database errors in words that say what to do."""

from __future__ import annotations

import sqlite3

from flux.errors import DatabaseConnectionError, StoreError

_HINTS = {
    sqlite3.SQLITE_FULL: ("the disk is full", "Free some space; nothing that was accepted before is lost."),
    sqlite3.SQLITE_READONLY: (
        "it is read-only",
        "Make the file and its folder writable, or choose another database_url.",
    ),
    sqlite3.SQLITE_PERM: ("access is denied", "Make the file and its folder writable, or choose another database_url."),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "Check that its folder exists and is writable."),
    sqlite3.SQLITE_BUSY: (
        "another process keeps it locked",
        "Find the process that holds a long transaction and stop it.",
    ),
    sqlite3.SQLITE_LOCKED: ("it is locked", "Find the process that holds a long transaction and stop it."),
    sqlite3.SQLITE_CORRUPT: ("its file is damaged", "Restore a backup, or start anew with another database_url."),
    sqlite3.SQLITE_NOTADB: ("the file is not a database", "Choose another database_url, or move the file away."),
    sqlite3.SQLITE_IOERR: ("reading or writing it failed", "Check the disk."),
}


class StatementError(StoreError):
    """A single statement or its values are to blame; the database itself is fine."""


def explain(error: sqlite3.Error, path: str) -> StoreError:
    """The Flux error for an SQLite error; its message names the database."""
    primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if primary in _HINTS:
        reason, hint = _HINTS[primary]
        return StoreError(f"The database {path} refused: {reason} ({error}).", hint=hint)
    if isinstance(error, sqlite3.OperationalError) and "closed" not in str(error):
        return StoreError(f"The database {path} refused: {error}.")
    return StatementError(f"The database {path} refused a statement: {error}.")


def cannot_open(error: Exception, path: str) -> DatabaseConnectionError:
    """The Flux error for a database that cannot be opened at all."""
    if isinstance(error, sqlite3.Error):
        explained = explain(error, path)
        return DatabaseConnectionError(
            explained.message.replace(" refused: ", " cannot be opened: ", 1),
            hint=explained.hint or "Check that its folder is writable, or choose another database_url.",
        )
    reason = getattr(error, "strerror", None) or str(error)
    return DatabaseConnectionError(
        f"The database {path} cannot be opened: {reason}.",
        hint="Make its folder writable, or choose another database_url.",
    )
