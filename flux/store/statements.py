"""The SQL of the store: named statements in `queries/*.sql`, loaded once for each database.

A block starts with `-- name: …` and holds one statement with `:named` values, so that it can be pasted
into a shell. Where a database needs another text, `<file>.<dialect>.sql` beside it redefines that block.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any

QUERIES = Path(__file__).parent / "queries"
NUMBERED = {"postgres": "${}"}
"""Databases whose placeholders carry a number; the others take a bare `?` for each use of a value."""
_BLOCK = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_VALUE = re.compile(r"(?<!:):([a-z]\w*)")

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, ready for its database.

    Attributes:
        name: what it does.
        text: with `:named` values.
        sql: with the placeholders of the database.
        bind: named values → the tuple that `sql` takes.
    """

    name: str
    text: str
    sql: str
    bind: Callable[[Values], tuple[Any, ...]]

    @classmethod
    def parse(cls, name: str, text: str, dialect: str) -> Statement:
        """A statement from its text with `:named` values."""
        lines = (line for line in text.splitlines() if not line.lstrip().startswith("--"))
        plain = "\n".join(lines).strip().removesuffix(";")
        used = _VALUE.findall(plain)
        if dialect not in NUMBERED:
            return cls(name, plain, _VALUE.sub("?", plain), _binder(used))
        names = list(dict.fromkeys(used))
        places = {value: NUMBERED[dialect].format(index) for index, value in enumerate(names, 1)}
        return cls(name, plain, _VALUE.sub(lambda match: places[match[1]], plain), _binder(names))

    def of_rows(self, count: int) -> str:
        """The SQL of an `insert` of several rows, whose values follow each other."""
        return _of_rows(self.sql, count)


@lru_cache(maxsize=256)
def _of_rows(sql: str, count: int) -> str:
    head, keyword, row = sql.rpartition("values")
    return f"{head}{keyword}{', '.join([row] * count)}"


def _binder(names: list[str]) -> Callable[[Values], tuple[Any, ...]]:
    if not names:
        return lambda values: ()
    if len(names) == 1:
        only = names[0]
        return lambda values: (values[only],)
    return itemgetter(*names)


class Statements:
    """All statements for one database, by name."""

    def __init__(self, dialect: str, texts: Mapping[str, str]) -> None:
        self.dialect = dialect
        self._all = {name: Statement.parse(name, text, dialect) for name, text in texts.items()}
        self._merged: dict[tuple[str, int, str], Statement] = {}

    def __getitem__(self, name: str) -> Statement:
        return self._all[name]

    def names(self) -> frozenset[str]:
        """Their names."""
        return frozenset(self._all)

    def repeated(self, name: str, value: str, times: int, frame: str) -> Statement:
        """The statement repeated for several values of one parameter, merged by `union all`.

        The values are passed as `<value>_0`, `<value>_1`, …; `frame` is the text around the union, with `{}`
        in its place.
        """
        key = (name, times, frame)
        if (found := self._merged.get(key)) is None:
            text = self._all[name].text
            arms = [re.sub(rf":{value}\b", f":{value}_{index}", text) for index in range(times)]
            found = Statement.parse(name, frame.format("\nunion all\n".join(arms)), self.dialect)
            self._merged[key] = found
        return found


@lru_cache
def load(dialect: str) -> Statements:
    """The statements for a database: `sqlite` or `postgres`."""
    texts: dict[str, str] = {}
    for path in sorted(QUERIES.glob("*.sql")):
        if path.suffixes == [".sql"]:
            texts |= blocks(path)
    for path in sorted(QUERIES.glob(f"*.{dialect}.sql")):
        texts |= blocks(path)
    return Statements(dialect, texts)


def blocks(path: Path) -> dict[str, str]:
    """The named blocks of a file."""
    _, *parts = _BLOCK.split(path.read_text(encoding="utf-8"))
    return dict(zip(parts[::2], parts[1::2], strict=True))
