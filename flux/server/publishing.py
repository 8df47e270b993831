"""From source to published versions: find the workflows, store them, tell everyone."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from flux.catalog.manifest import read_manifest
from flux.dispatch.bus import Bus, Published
from flux.dispatch.port import Prewarm, ProbeResult
from flux.dispatch.presence import Presence
from flux.dispatch.validation import Questions
from flux.domain import Bundle, Module, WorkflowRef, WorkflowSpec, WorkflowVersion
from flux.domain.workflow import check_name
from flux.engine.source import bundle_of
from flux.errors import NotFoundError, UsageError, WorkflowCatalogError
from flux.store import Store
from flux.wire.models import Publication, WorkflowManifest

ARRIVAL = 10.0
"""Seconds that a publication waits for the first worker of a server that is about to have one."""


class BrokenSourceError(WorkflowCatalogError):
    """The code cannot be registered; the place and the traceback say why."""

    def __init__(self, message: str, *, path: str = "", line: int = 0, traceback: str = "") -> None:
        self.path = path
        self.line = line
        self.traceback = traceback
        super().__init__(message)

    def extra(self) -> Mapping[str, Any]:
        """The place in the source."""
        return {"path": self.path, "line": self.line, "traceback": self.traceback}


class Publisher:
    """Publishes sources. The server itself never imports them: a worker does, or only `ast` reads them.

    Attributes:
        expects_workers: a worker is about to come online; `ast` is for servers without any.

    Example:
        versions = await publisher.upload("hello.py", b"from flux import workflow …")
    """

    def __init__(self, store: Store, bus: Bus, presence: Presence, questions: Questions) -> None:
        self._store = store
        self._bus = bus
        self._presence = presence
        self._questions = questions
        self.expects_workers = False

    async def publish(self, publication: Publication) -> list[WorkflowVersion]:
        """Publish source with its manifest; without one, a worker imports the source to find it."""
        specs = [_spec(one) for one in publication.workflows]
        return await self._publish(bundle_from(publication), specs)

    async def upload(self, filename: str, source: bytes) -> list[WorkflowVersion]:
        """Publish one file."""
        try:
            text = source.decode()
        except UnicodeDecodeError as error:
            raise BrokenSourceError(f"{filename} is not UTF-8: {error}.", path=filename) from None
        entry = PurePath(filename or "workflows.py").stem
        return await self._publish(bundle_of(entry, {entry: Module(filename, text)}), [])

    async def delete(self, ref: WorkflowRef) -> None:
        """Take a name out of the catalog; live executions and the history stay."""
        version = await self._store.catalog.get(ref)
        await self._store.catalog.delete(ref)
        self._bus.publish(Published(version, deleted=True))

    async def _publish(self, bundle: Bundle, specs: Sequence[WorkflowSpec]) -> list[WorkflowVersion]:
        _check_syntax(bundle)
        found = list(specs) or await self._find(bundle)
        if not found:
            raise BrokenSourceError(f"{bundle.path} defines no workflow.", path=bundle.path)
        for spec in found:
            check_name("namespace", spec.namespace)
            check_name("workflow", spec.name)
        before = [await self._current(spec.ref) for spec in found]
        versions = await self._store.catalog.publish(found, bundle)
        self._announce(before, versions)
        return versions

    async def _find(self, bundle: Bundle) -> Sequence[WorkflowSpec]:
        if self.expects_workers:
            await self._presence.any_online(ARRIVAL)
        result = await self._questions.probe(bundle)
        if result is None:
            return read_manifest(bundle).workflows
        if result.error:
            raise _broken(result, bundle)
        return result.manifest.workflows

    async def _current(self, ref: WorkflowRef) -> int:
        try:
            return (await self._store.catalog.get(ref)).version
        except NotFoundError:
            return 0

    def _announce(self, before: Sequence[int], versions: Sequence[WorkflowVersion]) -> None:
        changed = [version for old, version in zip(before, versions, strict=True) if version.version != old]
        for version in changed:
            self._bus.publish(Published(version))
        # What has just been edited is run next. A file that is new here may never be.
        replaced = {version.digest for old, version in zip(before, versions, strict=True) if 0 < old != version.version}
        for digest in replaced:
            for worker in self._presence.online():
                self._presence.deliver(worker.name, Prewarm(digest))


def bundle_from(publication: Publication) -> Bundle:
    """The source of a publication. Raises `UsageError` when its entry is missing."""
    modules = {name: Module(one.path, one.source, one.package) for name, one in publication.modules.items()}
    if publication.entry not in modules:
        raise UsageError(f"The entry module '{publication.entry}' is not among the modules.")
    return bundle_of(publication.entry, modules)


def _spec(one: WorkflowManifest) -> WorkflowSpec:
    values = one.model_dump()
    return WorkflowSpec(**{**values, "tasks": tuple(one.tasks)})


def _check_syntax(bundle: Bundle) -> None:
    for module in bundle.modules.values():
        try:
            ast.parse(module.source, module.path)
        except SyntaxError as error:
            message = f"SyntaxError: {error.msg}"
            raise BrokenSourceError(message, path=module.path, line=error.lineno or 0) from None
        except (ValueError, RecursionError) as error:
            raise BrokenSourceError(f"{module.path} cannot be read: {error}.", path=module.path) from None


def _broken(result: ProbeResult, bundle: Bundle) -> BrokenSourceError:
    return BrokenSourceError(
        result.error, path=result.path or bundle.path, line=result.line, traceback=result.traceback
    )
