"""Services and what they select."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from functools import partial

from flux.clock import Clock
from flux.domain import Service, WorkflowRef
from flux.errors import ServiceExistsError, ServiceNotFoundError
from flux.store.committer import Committer
from flux.store.driver import Driver, Row, Transaction
from flux.store.statements import Values


class Services:
    """Kept as they are given; their rules are the caller's."""

    def __init__(self, driver: Driver, committer: Committer, clock: Clock) -> None:
        self._driver = driver
        self._sql = driver.statements
        self._submit = committer.submit
        self._clock = clock

    async def create(self, service: Service) -> Service:
        """Keep a new service. Raises `ServiceExistsError`."""
        return await self._submit(partial(self._create, service))

    async def get(self, name: str) -> Service:
        """Raises `ServiceNotFoundError`."""
        return _one(name, await self._driver.get(self._sql["get_service"], {"name": name}))

    async def list(self) -> builtins.list[Service]:
        """All of them, by name."""
        return [_service(row) for row in await self._driver.read(self._sql["list_services"], {})]

    async def update(self, name: str, rule: Callable[[Service], Service]) -> Service:
        """Put what `rule` makes of the service in its place; nobody else changes it meanwhile.

        What `rule` raises is raised here, and nothing changes. Raises `ServiceNotFoundError`.

        Example:
            await store.services.update("billing", lambda service: replace(service, mcp_enabled=True))
        """
        return await self._submit(partial(self._update, name, rule))

    async def delete(self, name: str) -> None:
        """Forget it; its workflows stay. Raises `ServiceNotFoundError`."""
        await self._submit(partial(self._delete, name))

    async def _create(self, service: Service, transaction: Transaction) -> Service:
        found = await transaction.fetch(self._sql["insert_service"], self._values(service))
        if not found:
            raise ServiceExistsError(f"A service '{service.name}' exists already.")
        return _service(found[0])

    async def _update(self, name: str, rule: Callable[[Service], Service], transaction: Transaction) -> Service:
        current = _one(name, await transaction.fetch(self._sql["get_service_to_change"], {"name": name}))
        values = {**self._values(rule(current)), "name": name}
        return _one(name, await transaction.fetch(self._sql["update_service"], values))

    async def _delete(self, name: str, transaction: Transaction) -> None:
        if not await transaction.execute(self._sql["delete_service"], {"name": name}):
            raise _unknown(name)

    def _values(self, service: Service) -> Values:
        selectors = {
            "namespaces": service.namespaces,
            "workflows": [str(ref) for ref in service.workflows],
            "exclusions": [str(ref) for ref in service.exclusions],
        }
        return {
            "name": service.name,
            "selectors": json.dumps(selectors),
            "mcp_enabled": int(service.mcp_enabled),
            "now": self._clock.now(),
        }


def _one(name: str, found: list[Row]) -> Service:
    if not found:
        raise _unknown(name)
    return _service(found[0])


def _service(row: Row) -> Service:
    name, text, mcp_enabled, created_at, updated_at = row
    selectors = json.loads(text)
    return Service(
        name,
        tuple(selectors["namespaces"]),
        tuple(map(WorkflowRef.parse, selectors["workflows"])),
        tuple(map(WorkflowRef.parse, selectors["exclusions"])),
        bool(mcp_enabled),
        created_at,
        updated_at,
    )


def _unknown(name: str) -> ServiceNotFoundError:
    return ServiceNotFoundError(f"Service '{name}' not found.")
