"""What the store asks of a database: a handful of verbs, one small file for each database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from flux.store.statements import Statement, Statements, Values

Row = tuple[Any, ...]
Synchronous = Literal["full", "normal"]


class Transaction(Protocol):
    """An open write transaction."""

    @property
    def changes(self) -> int:
        """Rows written so far."""
        ...

    async def fetch(self, statement: Statement, values: Values) -> list[Row]:
        """Run a statement and return its rows."""
        ...

    async def insert(self, statement: Statement, values: Values) -> int:
        """Insert one row and return its integer key."""
        ...

    async def insert_many(self, statement: Statement, rows: Sequence[Values]) -> int:
        """Insert one row or more and return the integer key of the first; the keys of the others follow it."""
        ...

    async def execute(self, statement: Statement, values: Values) -> int:
        """Run a statement and return how many rows it changed."""
        ...


class Driver(Protocol):
    """A database. Every verb raises `StoreError`, or `StatementError` when only one statement is to blame.

    Attributes:
        inline: its transactions never suspend the caller: a transaction runs from begin to commit in one step
            of the event loop, on the loop's own thread.
        statements: the SQL for this database.
    """

    inline: bool
    statements: Statements

    async def begin(self) -> Transaction:
        """Start a write transaction; one writer at a time."""
        ...

    async def commit(self, transaction: Transaction) -> None:
        """Make it durable."""
        ...

    async def rollback(self, transaction: Transaction) -> None:
        """Undo it; never raises."""
        ...

    async def get(self, statement: Statement, values: Values) -> list[Row]:
        """Read a few rows at once, outside any transaction."""
        ...

    async def read(self, statement: Statement, values: Values) -> list[Row]:
        """Read a long list without holding up the event loop."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
