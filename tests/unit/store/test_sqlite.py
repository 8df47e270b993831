from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from flux.errors import DatabaseConnectionError, StoreError
from flux.store import sqlite as module
from flux.store.errors import StatementError, explain
from flux.store.sqlite import SQLiteDriver
from flux.store.statements import Statement


def statement(text: str) -> Statement:
    return Statement.parse("test", text, "sqlite")


@pytest.fixture
async def driver(tmp_path):
    driver = SQLiteDriver(str(tmp_path / "flux.db"))
    yield driver
    await driver.close()


async def pragma(driver: SQLiteDriver, name: str) -> object:
    return (await driver.get(statement(f"pragma {name}"), {}))[0][0]


@pytest.mark.parametrize(("synchronous", "level"), [("full", 2), ("normal", 1)])
async def test_how_a_database_is_opened(tmp_path, synchronous, level):
    driver = SQLiteDriver(str(tmp_path / "new" / "folder" / "flux.db"), synchronous)
    assert await pragma(driver, "journal_mode") == "wal"
    assert await pragma(driver, "synchronous") == level
    assert await pragma(driver, "foreign_keys") == 1
    assert await pragma(driver, "busy_timeout") == module.BUSY_TIMEOUT_MS
    await driver.close()


@pytest.mark.parametrize("path", ["memory", "file"])
async def test_long_reads_see_what_was_committed(tmp_path, path):
    driver = SQLiteDriver(":memory:" if path == "memory" else str(tmp_path / "flux.db"))
    await driver.execute(statement("create table t (x)"), {})
    assert await driver.read(statement("select x from t"), {}) == []
    transaction = await driver.begin()
    await transaction.execute(statement("insert into t values (:x)"), {"x": 1})
    await driver.commit(transaction)
    assert await driver.read(statement("select x from t where x = :x"), {"x": 1}) == [(1,)]
    assert (driver._reader is None) == (path == "memory")
    await driver.close()


async def test_the_reader_cannot_write(driver):
    with pytest.raises(StoreError):
        await driver.read(statement("create table t (x)"), {})


async def test_rolling_back_undoes_everything(driver):
    transaction = await driver.begin()
    await transaction.execute(statement("create table t (x)"), {})
    await driver.rollback(transaction)
    await driver.rollback(transaction)
    assert await driver.get(statement("select * from sqlite_master"), {}) == []


async def test_an_inserted_row_tells_its_key(driver):
    await driver.execute(statement("create table t (id integer primary key, x)"), {})
    before = driver.changes
    assert [await driver.insert(statement("insert into t (x) values (:x)"), {"x": x}) for x in "ab"] == [1, 2]
    assert driver.changes == before + 2


async def write(driver: SQLiteDriver, text: str) -> None:
    transaction = await driver.begin()
    await transaction.execute(statement("insert into t values (:x)"), {"x": text})
    await driver.commit(transaction)


async def test_the_write_ahead_log_stays_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WAL_LIMIT", 100_000)
    monkeypatch.setattr(module, "_CHECK_WAL_EVERY", 1)
    monkeypatch.setattr(module, "CHECKPOINT_PAGES", {"normal": 1_000_000})
    driver = SQLiteDriver(str(tmp_path / "flux.db"), "normal")
    await driver.execute(statement("create table t (x)"), {})
    for _ in range(200):
        await write(driver, "x" * 5_000)
    assert (tmp_path / "flux.db-wal").stat().st_size < 300_000
    await driver.close()


async def test_a_long_reader_does_not_stop_writers(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WAL_LIMIT", 1)
    monkeypatch.setattr(module, "_CHECK_WAL_EVERY", 2)
    path = str(tmp_path / "flux.db")
    driver = SQLiteDriver(path, "normal")
    await driver.execute(statement("create table t (x)"), {})
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("begin")
        reader.execute("select * from t").fetchall()
        for text in "abc":
            await write(driver, text)
    assert await driver.get(statement("select count(*) from t"), {}) == [(3,)]
    assert await pragma(driver, "busy_timeout") == module.BUSY_TIMEOUT_MS
    await driver.close()


async def test_a_locked_database_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BUSY_TIMEOUT_MS", 1)
    path = str(tmp_path / "flux.db")
    driver = SQLiteDriver(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(StoreError, match="locked") as caught:
            await driver.begin()
    assert path in str(caught.value)
    assert caught.value.hint
    await driver.close()


def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "flux.db"
    path.write_text("hello, this is certainly not a database" * 100)
    with pytest.raises(
        DatabaseConnectionError, match=r"flux\.db cannot be opened: the file is not a database"
    ) as caught:
        SQLiteDriver(str(path))
    assert "database_url" in caught.value.hint


def test_a_path_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "flux.db", tmp_path):
        with pytest.raises(DatabaseConnectionError, match=str(tmp_path)) as caught:
            SQLiteDriver(str(path))
        assert caught.value.hint


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (sqlite3.SQLITE_FULL, "disk is full"),
        (sqlite3.SQLITE_READONLY, "read-only"),
        (sqlite3.SQLITE_READONLY_DBMOVED, "read-only"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "locked"),
        (sqlite3.SQLITE_IOERR_WRITE, "failed"),
        (sqlite3.SQLITE_CORRUPT, "damaged"),
        (sqlite3.SQLITE_CANTOPEN, "cannot be opened"),
    ],
)
def test_errors_say_what_to_do(code, words):
    error = sqlite3.OperationalError("reason")
    error.sqlite_errorcode = code
    explained = explain(error, "/data/flux.db")
    assert words in explained.message
    assert "/data/flux.db" in explained.message
    assert explained.hint
    assert not isinstance(explained, StatementError)


def test_a_wrong_statement_is_not_the_databases_fault():
    assert isinstance(explain(sqlite3.IntegrityError("unique"), "x"), StatementError)
    assert not isinstance(explain(sqlite3.OperationalError("?"), "x"), StatementError)


async def test_rows_inserted_together_have_keys_in_a_row(driver):
    await driver.execute(statement("create table t (id integer primary key, x)"), {})
    insert = statement("insert into t (x) values (:x)")
    assert await driver.insert_many(insert, [{"x": x} for x in "ab"]) == 1
    assert await driver.insert_many(insert, [{"x": "c"}]) == 3
    assert await driver.get(statement("select id, x from t order by id"), {}) == [(1, "a"), (2, "b"), (3, "c")]
    many = [{"x": "d"}] * (2 * module._ROWS_AT_ONCE + 1)
    assert await driver.insert_many(insert, many) == 4
    assert await driver.insert(insert, {"x": "e"}) == 4 + len(many)
