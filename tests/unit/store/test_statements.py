from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

import flux.store
from flux.store import statements
from flux.store.migrate import migrations
from flux.store.statements import Statement, load

FOLDER = Path(flux.store.__file__).parent


@pytest.fixture
def database():
    connection = sqlite3.connect(":memory:")
    connection.execute(load("sqlite")["create_migrations"].sql)
    for path in migrations("sqlite").values():
        connection.executescript(path.read_text())
    yield connection
    connection.close()


def plan(database: sqlite3.Connection, statement: Statement) -> str:
    values = statement.bind(dict.fromkeys(re.findall(r":([a-z]\w*)", statement.text), 1))
    return "\n".join(row[3] for row in database.execute(f"explain query plan {statement.sql}", values))


def test_values_become_placeholders():
    text = "-- why: not\nselect :b, :a, :b, '12:30', x::text from t;"
    sqlite = Statement.parse("x", text, "sqlite")
    assert sqlite.sql == "select ?, ?, ?, '12:30', x::text from t"
    assert sqlite.bind({"a": 1, "b": 2}) == (2, 1, 2)
    assert Statement.parse("x", text, "postgres").sql == "select $1, $2, $1, '12:30', x::text from t"
    assert Statement.parse("x", "select :a", "sqlite").bind({"a": 1}) == (1,)
    assert Statement.parse("x", "select 1", "sqlite").bind({"a": 1}) == ()


def test_a_dialect_redefines_single_blocks(tmp_path, monkeypatch):
    (tmp_path / "a.sql").write_text("-- name: one\nselect 1;\n\n-- name: two\nselect 2;\n")
    (tmp_path / "a.postgres.sql").write_text("-- name: two\nselect 2 for update;\n")
    monkeypatch.setattr(statements, "QUERIES", tmp_path)
    load.cache_clear()
    try:
        assert load("sqlite")["two"].sql == "select 2"
        assert load("postgres")["two"].sql == "select 2 for update"
        assert load("postgres")["one"].sql == "select 1"
    finally:
        load.cache_clear()


def test_every_statement_is_valid_and_used(database):
    code = "".join(path.read_text() for path in FOLDER.glob("*.py"))
    for name in load("sqlite").names():
        plan(database, load("sqlite")[name])
        assert f'"{name}"' in code or name.startswith(("list_by_", "count_by_")), f"nobody uses {name}"


@pytest.mark.parametrize("scope", ["state", "namespace", "workflow", "ref"])
def test_lists_read_only_what_they_show(database, scope):
    from flux.store.listing import _COUNT, _UNION

    merged = load("sqlite").repeated(f"list_by_{scope}", "state", 12, _UNION)
    assert f"executions_by_{scope}" in plan(database, merged)
    assert "MERGE" in plan(database, merged)
    assert "SCAN e" not in plan(database, merged)
    assert "TEMP B-TREE" not in plan(database, merged)
    counted = load("sqlite").repeated(f"count_by_{scope}", "state", 12, _COUNT)
    assert f"COVERING INDEX executions_by_{scope}" in plan(database, counted)


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("ready_executions", "executions_ready"),
        ("next_ready", "executions_ready"),
        ("held_executions", "executions_held"),
        ("held_executions_of", "executions_held"),
        ("find_executions", "sqlite_autoindex_executions_1"),
        ("history", "events_by_seq"),
        ("delivered_events", "events_by_ordinal"),
        ("tail", "INTEGER PRIMARY KEY"),
        ("due_executions", "waits_due"),
        ("next_wake", "waits_due"),
        ("oldest_waits", "waits_oldest"),
        ("oldest_human_waits", "waits_human"),
        ("read_logs_of", "logs_by_execution"),
    ],
)
def test_hot_reads_use_their_index(database, name, index):
    assert index in plan(database, load("sqlite")[name])
    if name not in ("held_executions", "due_executions"):
        assert "TEMP B-TREE" not in plan(database, load("sqlite")[name])
