"""`flux execution replay`: walk through a history, with the code of its version running along where it can be had."""

from __future__ import annotations

import asyncio
import contextlib
import linecache
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flux.cli import outcome
from flux.cli.options import ExecutionId, FormatOption, ServerUrl
from flux.cli.render import put_json, talk
from flux.cli.session import is_chosen, on_server
from flux.cli.stepping import PatientLoop, Steps
from flux.codec import to_plain
from flux.errors import ExecutionContextNotFoundError, NotFoundError, ServerUnavailableError, WorkflowNotFoundError
from flux.wire.divergence import place

if TYPE_CHECKING:
    from flux.client.client import FluxClient
    from flux.config import Settings
    from flux.domain import Bundle, EventRecord, Execution
    from flux.domain.saved import SavedHistory
    from flux.domain.verdict import Verdict
    from flux.engine.workflow import Workflow
    from flux.wire.models import EventModel


@dataclass(slots=True)
class Recording:
    """What is replayed.

    Attributes:
        sources: recorded text of files, by path.
        history: with its stored values, where the store is at hand: only then code can run along.
        bundle: the code it runs.
    """

    events: list[EventModel]
    sources: dict[str, str] = field(default_factory=dict)
    history: SavedHistory | None = None
    bundle: Bundle | None = None


def replay(
    execution_id: ExecutionId,
    step: Annotated[bool, typer.Option("--step/--no-step", help="Wait for a key before each event.")] = True,
    code: Annotated[
        Path | None, typer.Option("--code", metavar="FILE", help="Run this file along, not the recorded version.")
    ] = None,
    events_only: Annotated[bool, typer.Option("--events", help="Run no code along.")] = False,
    format: FormatOption = "simple",
    server_url: ServerUrl = "",
) -> None:
    """Step through a stored history: Enter shows the next event, q ends.

    Where the store is at hand (the same home as the server's), the workflow's body runs again here and gets
    the recorded results one by one, so that its prints and `breakpoint()` work. No task runs and nothing is
    written. Without a terminal everything is printed at once.
    """
    settings = _settings()
    recording = _found(settings, execution_id, server_url)
    verdict = None
    with _output(format), contextlib.suppress(KeyboardInterrupt):
        steps = Steps([] if format == "json" else recording.events, recording.sources, _key(step, format))
        with _code(recording, code, events_only) as workflow:
            verdict = _run_along(recording, workflow, steps, settings) if workflow is not None else None
        steps.rest()
        _tell(verdict)
    if format == "json":
        put_json({"events": recording.events, "verdict": None if verdict is None else asdict(verdict)})


# -- where it comes from ------------------------------------------------------------------------------


def _found(settings: Settings, execution_id: str, server_url: str) -> Recording:
    """The history, out of the store of this home or from the server."""
    if is_chosen(server_url) or not _has_store(settings):
        return on_server(server_url, lambda client: _remote(client, execution_id))
    recording = asyncio.run(_local(settings, execution_id))
    if recording is not None:
        return recording
    try:
        return on_server(server_url, lambda client: _remote(client, execution_id))
    except ServerUnavailableError:
        raise ExecutionContextNotFoundError(execution_id) from None


def _settings() -> Settings:
    from flux.config import load_settings

    return load_settings({})


async def _local(settings: Settings, execution_id: str) -> Recording | None:
    """The history out of the store of this home; None when it is not there."""
    from flux.domain.saved import SavedHistory
    from flux.local.opening import open_store
    from flux.server import views
    from flux.wire.models import EventModel

    async with open_store(settings) as store:
        try:
            execution = await store.executions.find(execution_id)
        except ExecutionContextNotFoundError:
            return None
        records = await store.executions.history(execution.id)
        bundle = None
        with contextlib.suppress(NotFoundError):
            bundle = await store.catalog.bundle(execution.digest)
    bundle = bundle or _unchanged_file(execution.digest, records)
    events = [EventModel.model_validate(views.event(record)) for record in records]
    return Recording(events, _texts(bundle), SavedHistory(execution, tuple(records)), bundle)


def _unchanged_file(digest: str, records: Sequence[EventRecord]) -> Bundle | None:
    """The file of a local run, found by the places of its calls, if it is still what has run."""
    from flux.catalog.files import collect_file
    from flux.local.source import digest_of

    for record in reversed(records):
        if record.type == "WORKFLOW_MOVED" and record.payload is not None:
            digest = to_plain(record.payload)["to"]
            break
    for path in dict.fromkeys(record.location.rpartition(":")[0] for record in records if record.location):
        if digest_of(linecache.getlines(path)) == digest:
            return collect_file(Path(path))
    return None


def _has_store(settings: Settings) -> bool:
    file = settings.database_url.removeprefix("sqlite:///")
    return file == settings.database_url or Path(file).exists()


async def _remote(client: FluxClient, execution_id: str) -> Recording:
    """The events as the server shows them, and the source of the file with the workflow."""
    execution = await client.get_execution(execution_id)
    sources = {}
    if execution.version:
        with contextlib.suppress(NotFoundError):
            detail = await client.get_workflow(f"{execution.namespace}/{execution.workflow}", execution.version)
            sources = {detail.path: detail.source}
    return Recording(execution.events, sources)


def _texts(bundle: Bundle | None) -> dict[str, str]:
    return {module.path: module.source for module in bundle.modules.values()} if bundle is not None else {}


# -- the code along with it ---------------------------------------------------------------------------


@contextlib.contextmanager
def _code(recording: Recording, file: Path | None, events_only: bool) -> Iterator[Workflow[Any, Any] | None]:
    """The workflow to run along; None, and the reason on stderr, when there is none to be had."""
    from flux.catalog.files import collect_file

    history = recording.history
    bundle = collect_file(file) if file is not None else recording.bundle
    if events_only:
        yield None
    elif history is None:
        talk("The store is not at hand, so only the events are shown. Its code runs along in the server's folder.")
        yield None
    elif bundle is None:
        talk("The code it ran is not in the store, so only the events are shown. `--code FILE` runs a file along.")
        yield None
    else:
        with _loaded(bundle, history.execution) as workflow:
            yield workflow


@contextlib.contextmanager
def _loaded(bundle: Bundle, execution: Execution) -> Iterator[Workflow[Any, Any]]:
    """The workflow of a bundle, imported here for the time of the block."""
    from flux.engine.loader import describe_failure, load, unload
    from flux.engine.manifest import workflows_of
    from flux.errors import WorkflowCatalogError

    main, paths = sys.modules["__main__"], list(sys.path)
    sys.path += [str(Path(bundle.path).parent), os.getcwd()]  # noqa: PTH109  # as Python itself writes it there
    try:
        module = load(bundle)
    except (Exception, SystemExit) as error:
        failure = describe_failure(bundle, error)
        raise WorkflowCatalogError(f"The code of this execution cannot be imported: {failure.error}") from error
    try:
        # A script that has run it recorded its types as those of `__main__`.
        sys.modules["__main__"] = module
        found = workflows_of(module).get(execution.ref)
        if found is None:
            raise WorkflowNotFoundError(str(execution.ref), f"Workflow '{execution.ref}' is not in {bundle.path}.")
        yield found
    finally:
        sys.modules["__main__"], sys.path[:] = main, paths
        unload(bundle)


def _run_along(recording: Recording, workflow: Workflow[Any, Any], steps: Steps, settings: Settings) -> Verdict:
    """Replay the history here; each event is shown before the code gets to know of it."""
    from flux.codec import Codec
    from flux.engine.dryrun import dry_run

    history = recording.history
    assert history is not None
    begun = next((event.seq for event in history.events if event.type == "WORKFLOW_STARTED"), 0)
    steps.up_to(begun)
    with asyncio.Runner(loop_factory=PatientLoop) as runner:
        return runner.run(
            dry_run(
                workflow,
                history.execution,
                history.events,
                codec=Codec(settings.serializer, settings.signing_key()),
                observer=lambda record: steps.up_to(record.seq),
                patience=None,
            )
        )


# -- on the terminal ----------------------------------------------------------------------------------


def _key(step: bool, format: str) -> Any:
    """What waits for a key; nothing where nobody sits."""
    if not step or format == "json" or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    talk("Enter shows the next event, q ends.")
    return typer.getchar


def _output(format: str) -> contextlib.AbstractContextManager[object]:
    """What the code prints must not end up in the middle of the JSON."""
    return contextlib.redirect_stdout(sys.stderr) if format == "json" else contextlib.nullcontext()


def _tell(verdict: Verdict | None) -> None:
    """Where the code has arrived."""
    if verdict is None:
        return None
    if verdict.divergence:
        return outcome.tell_divergence(verdict.divergence)
    where = place(verdict.location, Path.cwd())
    return talk(f"The code {verdict.detail.removeprefix('the code ')}{f' ({where})' if where else ''}.")
