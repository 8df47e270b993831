"""Checking one watched file: read it, publish it, say what came of it."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from flux.catalog.diff import describe_changes
from flux.catalog.files import collect_file
from flux.client.api import FluxApi
from flux.client.errors import member
from flux.clock import Clock, to_datetime
from flux.domain import Bundle, Manifest
from flux.errors import FluxError, RunnerNotAvailableError, ServerUnavailableError
from flux.wire.models import (
    ModuleUpload,
    Publication,
    ReloadModel,
    WorkflowDetail,
    WorkflowManifest,
    WorkflowSummary,
)
from flux.worker.frames import Loaded

_PATIENCE = 15.0
_RETRY = 0.2


@dataclass(slots=True)
class Watched:
    """One file with workflows.

    Attributes:
        files: itself and the local modules it imports, as of the last look.
        serving: what was published from it, by `namespace/name`.
        report: what came of the last check.
        postponed: the server could not be reached; check again when it is back.
        asked_at: microseconds UTC of the save, or of the request, that leads to the next check; 0 = now.
    """

    path: Path
    files: frozenset[Path] = frozenset()
    serving: dict[str, WorkflowDetail] = field(default_factory=dict)
    report: ReloadModel | None = None
    postponed: bool = False
    asked_at: int = 0

    @property
    def is_broken(self) -> bool:
        """The last check found an error."""
        return self.report is not None and self.report.status == "broken"


class Broken(Exception):
    """Why a file cannot be published: one line, what Python printed, the line in the file or 0."""

    def __init__(self, error: str, traceback: str = "", line: int = 0) -> None:
        super().__init__(error)
        self.error = error
        self.traceback = traceback
        self.line = line


async def _not_known(bundle: Bundle) -> Loaded | None:
    return None


class Checker:
    """Checks files and reports to the server what came of each.

    Args:
        api: where to publish and to report.
        base: folder that reported paths are relative to.
        known: what a bundle holds when that is known already; else a worker of the server imports it.
        on_report: also gets every report.
    """

    def __init__(
        self,
        api: FluxApi,
        *,
        base: Path,
        clock: Clock,
        known: Callable[[Bundle], Awaitable[Loaded | None]] = _not_known,
        on_report: Callable[[ReloadModel], None] = lambda report: None,
    ) -> None:
        self._api = api
        self._base = base
        self._clock = clock
        self._known = known
        self._on_report = on_report
        self._owners: dict[str, Path] = {}

    async def check(self, watched: Watched) -> None:
        """Publish what the file holds now, or report why that cannot be; never raises for the file's fault."""
        started, watched.asked_at = watched.asked_at or self._clock.now(), 0
        watched.postponed = False
        try:
            await self._send(self._report(watched, "checking", started))
            report = await self._outcome(watched, started)
            watched.report = report
            await self._send(report)
        except ServerUnavailableError:
            watched.postponed = True

    async def forget(self, watched: Watched) -> None:
        """The file is gone: its workflows keep serving, its error does not stay."""
        changes = [_left(ref, detail, watched.path) for ref, detail in watched.serving.items()]
        self._owners = {ref: path for ref, path in self._owners.items() if path != watched.path}
        watched.report = self._report(watched, "ok", self._clock.now(), changes=changes or ["file removed"])
        self._on_report(watched.report)
        await self.repeat(watched)

    async def repeat(self, watched: Watched) -> None:
        """Report again what is known, to a server that has forgotten."""
        if watched.report is not None:
            try:
                await self._api.report_reload(watched.report)
            except ServerUnavailableError:
                watched.postponed = True

    async def _outcome(self, watched: Watched, started: int) -> ReloadModel:
        try:
            bundle = self._collect(watched)
            published = await self._publish(bundle)
        except Broken as broken:
            return self._report(
                watched, "broken", started, error=broken.error, traceback=broken.traceback, line=broken.line
            )
        took = self._clock.now() - started
        changes = await self._take_over(watched, published)
        report = self._report(watched, "ok", started, changes=changes)
        return report.model_copy(update={"took_ms": took / 1000})

    def _collect(self, watched: Watched) -> Bundle:
        """The file's bundle; raises `Broken` when a module of it does not parse."""
        try:
            bundle = collect_file(watched.path)
            watched.files = frozenset(Path(module.path) for module in bundle.modules.values()) | {watched.path}
            _compile(bundle)
        except SyntaxError as error:
            raise self._broken_syntax(error, watched.path) from error
        except (OSError, ValueError, RecursionError) as error:
            raise Broken(f"{type(error).__name__}: {error}") from error
        except FluxError as error:
            raise self._broken_by(error, watched.path) from error
        return bundle

    async def _publish(self, bundle: Bundle) -> list[WorkflowSummary]:
        """Publish; a worker imports what is not known yet. Raises `Broken`, or `ServerUnavailableError`."""
        known = await self._known(bundle)
        if known is not None and known.error:
            raise self._placed(
                known.error, known.traceback, Path(known.path or bundle.path), known.line, Path(bundle.path)
            )
        wanted = publication(bundle, known.manifest if known is not None else Manifest())
        deadline = self._clock.monotonic() + _PATIENCE
        while True:
            try:
                return await self._api.publish(wanted)
            except RunnerNotAvailableError as error:
                if self._clock.monotonic() >= deadline:
                    raise Broken(str(error)) from error
                await self._clock.sleep(_RETRY)  # the embedded worker registers a moment after the server answers
            except ServerUnavailableError:
                raise
            except FluxError as error:
                raise self._broken_by(error, Path(bundle.path)) from error

    async def _take_over(self, watched: Watched, published: Iterable[WorkflowSummary]) -> list[str]:
        """Note what serves now; one sentence for each change."""
        changes: list[str] = []
        serving: dict[str, WorkflowDetail] = {}
        for summary in published:
            ref = f"{summary.namespace}/{summary.name}"
            before = watched.serving.get(ref)
            if before is not None and before.version == summary.version:
                serving[ref] = before
                continue
            serving[ref] = await self._api.get_workflow(ref, summary.version)
            changes.append(_sentence(ref, before, serving[ref]))
            changes.extend(self._claim_name(ref, watched.path))
        gone = {ref: detail for ref, detail in watched.serving.items() if ref not in serving}
        changes.extend(_left(ref, detail, watched.path) for ref, detail in gone.items())
        watched.serving = serving
        return changes

    def _claim_name(self, ref: str, path: Path) -> list[str]:
        """A warning when another watched file defines the same workflow."""
        other = self._owners.setdefault(ref, path)
        self._owners[ref] = path
        if other == path or not other.exists():
            return []
        return [f"{ref} is also defined in {self._shown(other)}: the last one saved serves"]

    def _broken_syntax(self, error: SyntaxError, entry: Path) -> Broken:
        text = "".join(traceback.format_exception_only(error)).rstrip()
        message = f"{type(error).__name__}: {error.msg}"
        return self._placed(message, text, Path(error.filename or entry), error.lineno or 0, entry)

    def _broken_by(self, error: FluxError, entry: Path) -> Broken:
        place = Path(str(member(error, "path") or entry))
        text = str(member(error, "traceback", ""))
        message = str(member(error, "error") or error)
        return self._placed(message, text, place, int(member(error, "line", 0) or 0), entry)

    def _placed(self, message: str, text: str, place: Path, line: int, entry: Path) -> Broken:
        """An error in an imported module names that module; its line is not the entry's."""
        if place.resolve() == entry.resolve():
            return Broken(message, text, line)
        where = f"{self._shown(place)}:{line}" if line else self._shown(place)
        return Broken(f"{where}: {message}", text)

    def _report(self, watched: Watched, status: str, started: int, **more: Any) -> ReloadModel:
        return ReloadModel.model_validate(
            {
                "path": self._shown(watched.path),
                "status": status,
                "time": to_datetime(self._clock.now()),
                "took_ms": (self._clock.now() - started) / 1000,
                "serving": ", ".join(f"{ref} v{one.version}" for ref, one in watched.serving.items()),
                **more,
            }
        )

    async def _send(self, report: ReloadModel) -> None:
        self._on_report(report)
        await self._api.report_reload(report)

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self._base)) if path.is_relative_to(self._base) else str(path)


def publication(bundle: Bundle, manifest: Manifest) -> Publication:
    """A bundle as it is sent; when the manifest names no workflows, a worker looks for them."""
    modules = {
        name: ModuleUpload(path=module.path, source=module.source, package=module.package)
        for name, module in bundle.modules.items()
    }
    workflows = [WorkflowManifest.model_validate(asdict(spec)) for spec in manifest.workflows]
    return Publication(entry=bundle.entry, modules=modules, workflows=workflows)


def _compile(bundle: Bundle) -> None:
    for module in bundle.modules.values():
        compile(module.source, module.path, "exec", dont_inherit=True)


def _sentence(ref: str, before: WorkflowDetail | None, after: WorkflowDetail) -> str:
    changes = describe_changes(_members(before), _members(after)) if before is not None else []
    return f"{ref} v{after.version}" + (f": {', '.join(changes)}" if changes else "")


def _members(detail: WorkflowDetail) -> Mapping[str, Any]:
    return detail.model_dump()


def _left(ref: str, detail: WorkflowDetail, path: Path) -> str:
    return f"{ref} is no longer in {path.name}; v{detail.version} keeps serving"
