"""Workflows, their versions and the source they run."""

from __future__ import annotations

import builtins
import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from flux.clock import Clock
from flux.domain import Bundle, Module, WorkflowRef, WorkflowSpec, WorkflowVersion
from flux.errors import VersionNotFoundError, WorkflowNotFoundError
from flux.store import rows
from flux.store.committer import Committer
from flux.store.driver import Driver, Row, Transaction


class Catalog:
    """Published versions. None is ever deleted: an execution may need it."""

    def __init__(self, driver: Driver, committer: Committer, clock: Clock) -> None:
        self._driver = driver
        self._sql = driver.statements
        self._submit = committer.submit
        self._clock = clock

    async def publish(self, specs: Sequence[WorkflowSpec], bundle: Bundle) -> builtins.list[WorkflowVersion]:
        """Make the workflows of a bundle current; returns the current version of each.

        A workflow gets a new version when its source or its spec differs from the current one; publishing the same
        again changes nothing. A deleted name comes back.
        """
        return await self._submit(partial(self._publish, specs, bundle))

    async def get(self, ref: WorkflowRef, version: int | None = None) -> WorkflowVersion:
        """The current version, or a given one. Raises `WorkflowNotFoundError` or `VersionNotFoundError`."""
        values = {"namespace": ref.namespace, "name": ref.name}
        if version is None:
            found = await self._driver.get(self._sql["current_version"], values)
            if not found:
                raise WorkflowNotFoundError(str(ref))
        else:
            found = await self._driver.get(self._sql["known_version"], values | {"version": version})
            if not found or _is_deleted(found[0]):
                await self.get(ref)  # an unknown workflow is the clearer error
                raise VersionNotFoundError(f"Workflow '{ref}' has no version {version}.")
        return rows.version(found[0])

    async def list(self, namespace: str | None = None) -> builtins.list[WorkflowVersion]:
        """Current versions of all workflows, by namespace and name."""
        if namespace is None:
            found = await self._driver.read(self._sql["list_workflows"], {})
        else:
            found = await self._driver.read(self._sql["list_workflows_of"], {"namespace": namespace})
        return [rows.version(row) for row in found]

    async def versions(self, ref: WorkflowRef) -> builtins.list[WorkflowVersion]:
        """All versions, newest first. Raises `WorkflowNotFoundError`."""
        values = {"namespace": ref.namespace, "name": ref.name}
        found = await self._driver.read(self._sql["list_versions"], values)
        if not found or _is_deleted(found[0]):
            raise WorkflowNotFoundError(str(ref))
        return [rows.version(row) for row in found]

    async def delete(self, ref: WorkflowRef) -> None:
        """Take the name out of the catalog; its versions stay for executions. Raises `WorkflowNotFoundError`."""
        await self._submit(partial(self._delete, ref))

    async def bundle(self, digest: str) -> Bundle:
        """The source of a version. Raises `VersionNotFoundError`."""
        found = await self._driver.get(self._sql["get_bundle"], {"digest": digest})
        if not found:
            raise VersionNotFoundError(f"There is no source with the digest '{digest}'.")
        modules = {name: Module(path, source, bool(package)) for _, name, path, source, package in found}
        return Bundle(digest, found[0][0], modules)

    async def _publish(
        self, specs: Sequence[WorkflowSpec], bundle: Bundle, transaction: Transaction
    ) -> builtins.list[WorkflowVersion]:
        values: dict[str, Any] = {"digest": bundle.digest, "entry": bundle.entry, "created_at": self._clock.now()}
        await transaction.execute(self._sql["insert_bundle"], values)
        for name, module in bundle.modules.items():
            values = {"digest": bundle.digest, "name": name, "path": module.path, "source": module.source}
            await transaction.execute(self._sql["insert_module"], values | {"package": int(module.package)})
        return [await self._publish_one(spec, bundle, transaction) for spec in specs]

    async def _publish_one(self, spec: WorkflowSpec, bundle: Bundle, transaction: Transaction) -> WorkflowVersion:
        name = {"namespace": spec.namespace, "name": spec.name}
        await transaction.execute(self._sql["insert_workflow"], name)
        text = rows.dump_spec(spec)
        current = await transaction.fetch(self._sql["current_version"], name)
        if not current or not _is_same(current[0], bundle.digest, text):
            ((number,),) = await transaction.fetch(self._sql["next_version"], name)
            values = {**name, "version": number, "digest": bundle.digest, "spec": text, "created_at": self._clock.now()}
            await transaction.execute(self._sql["insert_version"], values)
            current = await transaction.fetch(self._sql["current_version"], name)
        return rows.version(current[0])

    async def _delete(self, ref: WorkflowRef, transaction: Transaction) -> None:
        name = {"namespace": ref.namespace, "name": ref.name}
        if not await transaction.execute(self._sql["delete_workflow"], name):
            raise WorkflowNotFoundError(str(ref))


def _is_same(row: Row, digest: str, text: str) -> bool:
    """Whether a version is of this source and spec; the order of keys does not make another one."""
    return bool(row[3] == digest and (row[4] == text or json.loads(row[4]) == json.loads(text)))


def _is_deleted(row: Row) -> bool:
    return bool(row[-1])
