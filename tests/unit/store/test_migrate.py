from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from flux.errors import DatabaseConnectionError, StoreError
from flux.store import Store
from flux.store.migrate import migrate, migrations, split
from flux.store.sqlite import SQLiteDriver
from flux.store.statements import Statement
from flux.testing.clock import FakeClock

APPLIED = Statement.parse("applied", "select number, name from migrations order by number", "sqlite")


async def test_opening_twice_migrates_once(tmp_path):
    url = f"sqlite:///{tmp_path}/flux.db"
    for _ in range(2):
        await (await Store.open(url)).close()
    driver = SQLiteDriver(f"{tmp_path}/flux.db")
    assert await migrate(driver, FakeClock()) == []
    every = [(number, path.stem) for number, path in sorted(migrations("sqlite").items())]
    assert await driver.get(APPLIED, {}) == every
    await driver.close()


async def test_only_what_is_missing_is_applied_in_order(tmp_path):
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_one.sql").write_text("create table one (x);")
    driver = SQLiteDriver(":memory:")
    assert await migrate(driver, FakeClock(), folder) == [1]
    (folder / "0003_three.sql").write_text("insert into two values (';');\ninsert into two values ('b');")
    (folder / "0002_two.sql").write_text("-- a note;\ncreate table two (\n    x text -- why;\n);")
    assert await migrate(driver, FakeClock(), folder) == [2, 3]
    assert await driver.get(Statement.parse("x", "select x from two", "sqlite"), {}) == [(";",), ("b",)]
    await driver.close()


async def test_a_failing_migration_leaves_nothing_behind(tmp_path):
    (tmp_path / "0001_one.sql").write_text("create table one (x);\ncreate table one (x);")
    driver = SQLiteDriver(":memory:")
    with pytest.raises(StoreError, match="already exists"):
        await migrate(driver, FakeClock(), tmp_path)
    assert await driver.get(Statement.parse("x", "select name from sqlite_master", "sqlite"), {}) == []
    await driver.close()


async def test_a_newer_database_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/flux.db"
    await (await Store.open(url)).close()
    driver = SQLiteDriver(f"{tmp_path}/flux.db")
    await driver.execute(Statement.parse("x", "insert into migrations values (9, 'later', 0)", "sqlite"), {})
    await driver.close()
    with pytest.raises(DatabaseConnectionError, match="schema 9") as caught:
        await Store.open(url)
    assert "Upgrade" in caught.value.hint


def test_many_processes_may_open_a_new_database_at_once(tmp_path):
    code = (
        "import asyncio, sys\nfrom flux.store import Store\n"
        "async def main():\n    store = await Store.open(sys.argv[1])\n    await store.executions.list()\n"
        "    await store.close()\nasyncio.run(main())"
    )
    url = f"sqlite:///{tmp_path}/new/flux.db"
    running = [subprocess.Popen([sys.executable, "-W", "error", "-c", code, url]) for _ in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4


def test_a_dialect_has_migrations_of_its_own(tmp_path):
    for name in ("0001_a.sql", "0002_b.sql", "0002_b.postgres.sql"):
        (tmp_path / name).touch()
    assert [path.name for path in migrations("sqlite", tmp_path).values()] == ["0001_a.sql", "0002_b.sql"]
    assert [path.name for path in migrations("postgres", tmp_path).values()] == ["0001_a.sql", "0002_b.postgres.sql"]


def test_scripts_are_split_at_the_ends_of_statements():
    script = "-- first;\ncreate table a (x);\n\ninsert into a values (';\n');\nselect 1"
    assert list(split(script)) == ["create table a (x);\n", "\ninsert into a values (';\n');\n", "select 1"]


def test_the_loop_is_free_again_after_opening(tmp_path):
    async def main():
        store = await Store.open(f"sqlite:///{tmp_path}/flux.db")
        await store.close()
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(main()) == set()
