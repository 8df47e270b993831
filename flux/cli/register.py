"""Registering a file: its source with a manifest that a throwaway process here has made."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from flux.catalog.files import collect_file
from flux.cli.render import talk
from flux.errors import UsageError, WorkflowCatalogError
from flux.wire.models import ModuleUpload, Publication, WorkflowManifest, WorkflowSummary
from flux.worker.probe import probe

if TYPE_CHECKING:
    from flux.client.client import FluxClient
    from flux.domain import Bundle, WorkflowSpec


async def register_file(client: FluxClient, path: Path) -> list[WorkflowSummary]:
    """Publish the workflows of a file, with the local modules it imports; raises what `examined` raises."""
    return await client.publish(publication(*await examined(path)))


async def examined(path: Path) -> tuple[Bundle, tuple[WorkflowSpec, ...]]:
    """A file with the local modules it imports, and the workflows that are found by importing it.

    Raises `UsageError` when there is no such file and `WorkflowCatalogError`, with file and line, when
    it cannot be imported or holds no workflow.
    """
    bundle = _collect(path)
    loaded = await probe(bundle, str(Path.cwd()))
    if loaded.error:
        if loaded.traceback:
            talk(loaded.traceback.rstrip())
        raise _broken(Path(loaded.path or path), loaded.line, loaded.error)
    specs = loaded.manifest.workflows
    if not specs:
        raise WorkflowCatalogError(f"{path} defines no workflow.", hint="Decorate an async function with @workflow.")
    return bundle, specs


def _collect(path: Path) -> Bundle:
    if not path.is_file():
        raise UsageError(f"There is no file '{path}'.")
    return collect_file(path.resolve())


def publication(bundle: Bundle, specs: tuple[WorkflowSpec, ...]) -> Publication:
    """A bundle and its manifest as they are sent."""
    modules = {
        name: ModuleUpload(path=module.path, source=module.source, package=module.package)
        for name, module in bundle.modules.items()
    }
    workflows = [WorkflowManifest(**{**asdict(spec), "tasks": list(spec.tasks)}) for spec in specs]
    return Publication(entry=bundle.entry, modules=modules, workflows=workflows)


def _broken(path: Path, line: int, error: str) -> WorkflowCatalogError:
    base = Path.cwd()
    shown = path.relative_to(base) if path.is_relative_to(base) else path
    return WorkflowCatalogError(f"{shown}:{line}: {error}" if line else f"{shown}: {error}")
