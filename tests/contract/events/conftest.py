"""The same workflows in this process and on a server with a worker; what both write down is read from the store."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import httpx
import pytest
import pytest_asyncio

from flux.domain import EventRecord, ExecutionEventType
from flux.store import Store

from ..serving import PATIENCE, serving

FLOWS = Path(__file__).with_name("flows.py")


class Place(Protocol):
    """Where workflows run."""

    async def run(self, name: str, value: Any) -> str:
        """Run a workflow until it ends or pauses; its execution's id."""

    async def resume(self, name: str, execution_id: str, value: Any) -> None:
        """Answer its pause, and run it until it ends."""

    async def cancel_paused(self, name: str, execution_id: str) -> None:
        """Cancel it while it waits."""

    async def history(self, execution_id: str) -> list[EventRecord]:
        """All its events."""


class Local:
    """`wf.run()` and its relatives."""

    prefix = ""

    def __init__(self, home: Path) -> None:
        self._url = f"sqlite:///{home / 'flux.db'}"
        self._flows = _flows()

    async def run(self, name: str, value: Any) -> str:
        if name == "crashes":
            return await self._interrupted(name, value)
        return (await getattr(self._flows, name).run_async(value)).execution_id

    async def _interrupted(self, name: str, value: Any) -> str:
        """Run it in a process that dies, then go on here."""
        code = f"import sys; sys.path.insert(0, {str(FLOWS.parent)!r}); import flows; flows.{name}.run({value!r})"
        process = await asyncio.create_subprocess_exec(sys.executable, "-Bc", code)
        assert await process.wait() == 9
        async with self._store() as store:
            ((execution),) = (await store.executions.list(limit=1)).items
        await getattr(self._flows, name).run_async(execution_id=execution.id)
        return execution.id

    async def resume(self, name: str, execution_id: str, value: Any) -> None:
        await getattr(self._flows, name).resume_async(execution_id, value)

    async def cancel_paused(self, name: str, execution_id: str) -> None:
        event = EventRecord(ExecutionEventType.WORKFLOW_CANCELLING, "test", name, 0, "cancel")
        async with self._store() as store:
            await store.executions.cancel(execution_id, [event])
        await getattr(self._flows, name).run_async(execution_id=execution_id)

    async def history(self, execution_id: str) -> list[EventRecord]:
        async with self._store() as store:
            return list(await store.executions.history(execution_id))

    @contextlib.asynccontextmanager
    async def _store(self) -> AsyncIterator[Store]:
        store = await Store.open(self._url)
        yield store
        await store.close()


class Served:
    """A server with one embedded worker, spoken to over its HTTP API."""

    prefix = "WORKFLOW_SCHEDULED · WORKFLOW_CLAIMED · "

    def __init__(self, store: Store, client: httpx.AsyncClient) -> None:
        self.store = store
        self.client = client

    async def run(self, name: str, value: Any) -> str:
        return await self._post(f"/workflows/{name}/run/sync", value)

    async def start(self, name: str, value: Any) -> str:
        """Run it and do not wait."""
        return await self._post(f"/workflows/{name}/run/async", value)

    async def resume(self, name: str, execution_id: str, value: Any) -> None:
        await self._post(f"/workflows/{name}/resume/{execution_id}/sync", value)

    async def cancel_paused(self, name: str, execution_id: str) -> None:
        await self.cancel(name, execution_id)

    async def cancel(self, name: str, execution_id: str) -> None:
        await self._post(f"/workflows/{name}/cancel/{execution_id}?mode=sync", None)

    async def history(self, execution_id: str) -> list[EventRecord]:
        return list(await self.store.executions.history(execution_id))

    async def until(self, execution_id: str, kind: str, name: str) -> None:
        """Wait until such an event is recorded."""
        async with asyncio.timeout(PATIENCE):
            while not any((event.type, event.name) == (kind, name) for event in await self.history(execution_id)):
                await asyncio.sleep(0.01)

    async def _post(self, path: str, value: Any) -> str:
        response = await self.client.post(path, json=value)
        assert response.status_code in (200, 202), response.text
        return str(response.json()["execution_id"])


def _flows() -> ModuleType:
    spec = importlib.util.spec_from_file_location("flows", FLOWS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with serving(tmp_path_factory.mktemp("served"), FLOWS.read_bytes()) as (store, client):
        yield Served(store, client)


@pytest.fixture(params=["local", "served"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Local | Served:
    if request.param == "served":
        return request.getfixturevalue("served")  # type: ignore[no-any-return]  # a fixture by name has no type
    monkeypatch.setenv("FLUX_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return Local(tmp_path / "home")
