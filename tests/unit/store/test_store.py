from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from flux.errors import ConfigurationError, DatabaseConnectionError, StoreError
from flux.store import Store
from flux.store.store import sqlite_path


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///flux.db", "flux.db"),
        ("sqlite:////var/lib/flux.db", "/var/lib/flux.db"),
        ("sqlite:///:memory:", ":memory:"),
        ("sqlite://", ":memory:"),
    ],
)
def test_urls(url, path):
    assert sqlite_path(url) == path


def test_the_home_folder_is_known(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert sqlite_path("sqlite:///~/flux.db") == "/home/ada/flux.db"


@pytest.mark.parametrize("url", ["mysql://x", "flux.db", "", "sqlite:///"])
async def test_urls_of_no_known_kind(url):
    with pytest.raises(ConfigurationError, match="database") as caught:
        await Store.open(url)
    assert "sqlite:///" in caught.value.hint


async def test_what_was_stored_is_there_after_reopening(tmp_path):
    url = f"sqlite:///{tmp_path}/a/b/flux.db"
    store = await Store.open(url)
    await store.workers.register("ada", {})
    await store.close()
    store = await Store.open(url)
    assert (await store.workers.get("ada")).name == "ada"
    await store.close()


async def test_a_closed_store_refuses(tmp_path):
    store = await Store.open("sqlite:///:memory:")
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.workers.register("ada", {})


async def test_one_server_for_each_file(tmp_path):
    url = f"sqlite:///{tmp_path}/flux.db"
    server = await Store.open(url, exclusive=True)
    local = await Store.open(url)
    await local.close()
    with pytest.raises(DatabaseConnectionError, match="another Flux server"):
        await Store.open(url, exclusive=True)
    await server.close()
    await (await Store.open(url, exclusive=True)).close()


async def test_the_lock_is_let_go_when_opening_fails(tmp_path):
    path = tmp_path / "flux.db"
    path.write_text("not a database" * 1000)
    for _ in range(2):
        with pytest.raises(DatabaseConnectionError, match="not a database"):
            await Store.open(f"sqlite:///{path}", exclusive=True)


async def test_memory_needs_no_lock():
    one, two = [await Store.open("sqlite:///:memory:", exclusive=True) for _ in range(2)]
    await one.close()
    await two.close()


OPEN_AS_NOBODY = """
import asyncio, os, sys
from flux.errors import DatabaseConnectionError
from flux.store import Store
if os.geteuid() == 0:  # root may write everywhere
    os.setuid(65534)
try:
    asyncio.run(Store.open(f"sqlite:///{sys.argv[1]}", exclusive=sys.argv[2] == "exclusive"))
except DatabaseConnectionError as error:
    print(error, error.hint)
"""


async def create(url: str) -> None:
    await (await Store.open(url)).close()


@pytest.mark.parametrize("exclusive", ["exclusive", "shared"])
@pytest.mark.parametrize("case", ["folder", "file"])
def test_what_cannot_be_written_is_named(case, exclusive):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if case == "file":
            asyncio.run(create(f"sqlite:///{folder}/flux.db"))
            (folder / "flux.db").chmod(0o444)
        folder.chmod(0o555)
        code = [sys.executable, "-c", OPEN_AS_NOBODY, f"{folder}/flux.db", exclusive]
        said = subprocess.check_output(code, text=True)
        folder.chmod(0o755)
    assert f"{folder}/flux.db" in said
    assert "writable" in said


def test_opening_needs_nothing_heavy():
    code = (
        "import asyncio, sys\nfrom flux.store import Store\n"
        "async def main():\n    store = await Store.open('sqlite:///:memory:')\n    await store.close()\n"
        "asyncio.run(main())\n"
        "print([name for name in ('pydantic', 'dill', 'aiosqlite', 'httpx') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
