"""Registered workflows for scripts: `WorkflowCatalog`, on the configured store."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Self

from flux.catalog.manifest import read_manifest
from flux.domain import Bundle, Module, WorkflowRef, WorkflowSpec, WorkflowVersion
from flux.engine.source import bundle_of
from flux.errors import WorkflowCatalogError
from flux.local.opening import from_outside
from flux.store import Store


@dataclass(frozen=True, slots=True)
class WorkflowInfo:
    """A workflow of a source.

    Attributes:
        version: 0 until it has been saved.
        imports: names of the modules in the bundle.
        metadata: names of its tasks, its input's JSON schema and what is said of it, where they are known.
    """

    namespace: str
    name: str
    version: int
    source: bytes
    imports: tuple[str, ...]
    metadata: dict[str, Any]
    spec: WorkflowSpec
    bundle: Bundle

    @property
    def id(self) -> str:
        """`namespace/name/version`, as the contexts of its executions have it."""
        return f"{self.namespace}/{self.name}/{self.version}"

    @property
    def qualified_name(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"


class WorkflowCatalog:
    """Registers workflows in the configured store and finds them there, for use outside of workflows.

    Sources are read and never executed. A server on the same store offers what is saved here; `flux workflow
    register` does more: it takes along what a file imports, and knows the types of inputs.

    Example:
        >>> catalog = WorkflowCatalog.create()  # doctest: +SKIP
        >>> catalog.save(catalog.parse(Path("hello.py").read_bytes()))  # doctest: +SKIP
        >>> catalog.get("default", "hello").version  # doctest: +SKIP
        1
    """

    @classmethod
    def create(cls) -> Self:
        """The one for the settings in force."""
        return cls()

    def parse(self, source: bytes, filename: str = "workflow.py") -> builtins.list[WorkflowInfo]:
        """The workflows that a source defines.

        Raises `SourceError` when it does not parse, `WorkflowCatalogError` when it defines none.
        """
        entry = PurePath(filename).stem
        bundle = bundle_of(entry, {entry: Module(filename, source.decode())})
        specs = read_manifest(bundle).workflows
        if not specs:
            raise WorkflowCatalogError(f"{filename} defines no workflow.")
        return [_info(spec, bundle, 0) for spec in specs]

    def save(self, workflows: Sequence[WorkflowInfo]) -> builtins.list[WorkflowInfo]:
        """Register workflows; those that have not changed keep their version. Returns them with their versions."""

        async def publish(store: Store) -> builtins.list[WorkflowInfo]:
            saved = []
            for one in workflows:
                (version,) = await store.catalog.publish([one.spec], one.bundle)
                saved.append(_info(version.spec, one.bundle, version.version))
            return saved

        return from_outside(publish)

    def get(self, namespace: str, name: str, version: int | None = None) -> WorkflowInfo:
        """The current version, or a given one. Raises `WorkflowNotFoundError` or `VersionNotFoundError`."""

        async def find(store: Store) -> WorkflowInfo:
            return await _found(store, await store.catalog.get(WorkflowRef(namespace, name), version))

        return from_outside(find)

    def all(self, namespace: str | None = None) -> builtins.list[WorkflowInfo]:
        """Current versions of all workflows, by namespace and name."""

        async def find(store: Store) -> builtins.list[WorkflowInfo]:
            return [await _found(store, version) for version in await store.catalog.list(namespace)]

        return from_outside(find)


async def _found(store: Store, version: WorkflowVersion) -> WorkflowInfo:
    return _info(version.spec, await store.catalog.bundle(version.digest), version.version)


def _info(spec: WorkflowSpec, bundle: Bundle, version: int) -> WorkflowInfo:
    metadata = {
        "task_names": list(spec.tasks),
        "input_schema": spec.input_schema,
        "description": spec.description,
    }
    return WorkflowInfo(
        spec.namespace,
        spec.name,
        version,
        bundle.modules[bundle.entry].source.encode(),
        tuple(name for name in bundle.modules if name != bundle.entry),
        {key: value for key, value in metadata.items() if value},
        spec,
        bundle,
    )
