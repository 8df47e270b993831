"""`flux workflow check`: which executions would leave their history with this code?"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flux.cli import outcome
from flux.cli.options import FormatOption, ServerUrl
from flux.cli.render import put_json, table, talk
from flux.cli.session import is_chosen, on_server

if TYPE_CHECKING:
    from flux.client.client import FluxClient
    from flux.domain import Bundle, WorkflowSpec
    from flux.store import Store
    from flux.wire.models import CheckedExecution, CheckReport

PAGE = 100
"""Executions in one request."""

Target = Annotated[
    str, typer.Argument(metavar="REF|FILE", help="A workflow's newest version, or a file as it is on disk now.")
]


def check(
    target: Target,
    all: Annotated[bool, typer.Option("--all", help="Finished executions too, not only live ones.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many of each workflow, newest first.")] = (
        PAGE
    ),
    local: Annotated[
        bool, typer.Option("--local", help="Executions of the local store, without asking a server (for a FILE).")
    ] = False,
    format: FormatOption = "simple",
    server_url: ServerUrl = "",
) -> None:
    """Say which executions would leave their history with this code. Nothing of it runs but the workflow's body.

    Stored histories are replayed: recorded results are delivered, no task runs and nothing is written. With
    a server a worker does that; a FILE is checked here, with the local store, when no server answers. Ends
    with 1 when an execution would diverge.
    """
    if _is_file(target):
        reports, by = _check_file(Path(target), all, limit, local, server_url)
    else:
        reports = on_server(server_url, lambda client: _asked(client, [target], None, all, limit))
        by = "the server"
    _show(reports, by, format)
    bad = {"diverges", "unloadable"}
    outcome.leave(int(any(one.outcome in bad for report in reports for one in report.executions)))


def _is_file(target: str) -> bool:
    return target.endswith(".py") or Path(target).is_file()


def _check_file(path: Path, all: bool, limit: int, local: bool, server_url: str) -> tuple[list[CheckReport], str]:
    """The reports on a file's workflows, and who has found them."""
    from flux.cli.register import examined, publication
    from flux.errors import ServerUnavailableError

    bundle, specs = asyncio.run(examined(path))
    if not local:
        sent = publication(bundle, specs)
        refs = [str(spec.ref) for spec in specs]
        try:
            reports = on_server(server_url, lambda client: _asked(client, refs, sent, all, limit))
        except ServerUnavailableError as error:
            if is_chosen(server_url):
                raise
            talk(f"{error} The local store is checked instead.")
        else:
            if not any(report.executions for report in reports):
                talk("The server has none; `--local` looks in the store of this folder.")
            return reports, "the server"
    return _check_locally(bundle, specs, all, limit), "this process"


async def _asked(client: FluxClient, refs: list[str], sent: Any, all: bool, limit: int) -> list[CheckReport]:
    """What the server finds, page by page."""
    reports = []
    for ref in refs:
        report = await client.check_workflow(ref, sent, finished=all, limit=min(limit, PAGE))
        while report.next_cursor and len(report.executions) < limit:
            left = min(limit - len(report.executions), PAGE)
            more = await client.check_workflow(ref, sent, finished=all, limit=left, cursor=report.next_cursor)
            report.executions += more.executions
            report.diverging += more.diverging
            report.next_cursor = more.next_cursor
        reports.append(report)
    return reports


def _check_locally(bundle: Bundle, specs: tuple[WorkflowSpec, ...], all: bool, limit: int) -> list[CheckReport]:
    """What throwaway processes of ours find in the local store, if there is one."""
    from flux.config import load_settings
    from flux.local.opening import open_store

    settings = load_settings({})
    file = settings.database_url.removeprefix("sqlite:///")
    if file != settings.database_url and not Path(file).exists():
        talk(f"There is no store at '{file}', so there is nothing to check.")
        return []
    key = {"serializer": settings.serializer, "key": settings.signing_key().hex(), "home": settings.home}

    async def work() -> list[CheckReport]:
        async with open_store(settings) as store:
            return await _replayed(store, key, bundle, specs, all, limit)

    return asyncio.run(work())


async def _replayed(
    store: Store, key: dict[str, str], bundle: Bundle, specs: tuple[WorkflowSpec, ...], all: bool, limit: int
) -> list[CheckReport]:
    from flux.dispatch.replaying import LIVE
    from flux.domain.saved import SavedHistory
    from flux.store import ExecutionFilter
    from flux.worker.replaying import replay_all

    async def fetch(execution_id: str) -> SavedHistory:
        execution = await store.executions.get(execution_id)
        return SavedHistory(execution, tuple(await store.executions.history(execution_id)))

    reports = []
    for spec in specs:
        wanted = ExecutionFilter(() if all else tuple(LIVE), spec.name, spec.namespace)
        page = await store.executions.list(wanted, limit)
        ids = [one.id for one in page.items]
        verdicts = await replay_all(bundle, ids, fetch, cwd=str(Path.cwd()), settings=key)
        reports.append(_report(spec, bundle, zip(page.items, verdicts, strict=True), page.next_cursor))
    return reports


def _report(spec: WorkflowSpec, bundle: Bundle, found: Any, next_cursor: str | None) -> CheckReport:
    from dataclasses import asdict

    from flux.wire.models import CheckedExecution, CheckReport

    executions = [
        CheckedExecution(execution_id=one.id, version=one.version, state=one.state, **asdict(verdict))
        for one, verdict in found
    ]
    return CheckReport(
        namespace=spec.namespace,
        workflow=spec.name,
        path=bundle.path,
        diverging=sum(one.outcome == "diverges" for one in executions),
        executions=executions,
        next_cursor=next_cursor,
    )


# -- telling -------------------------------------------------------------------------------------------


def _show(reports: list[CheckReport], by: str, format: str) -> None:
    checked = [(report, one) for report in reports for one in report.executions]
    if format == "json":
        return put_json({"checked_by": by, "diverging": sum(one.diverging for one in reports), "workflows": reports})
    if checked:
        columns = ("execution", "workflow", "version", "state", "verdict", "reason")
        table(columns, [_row(report, one) for report, one in checked])
    for report in reports:
        if report.next_cursor:
            talk(f"There are older executions of {report.namespace}/{report.workflow}: raise --limit to check them.")
    return _sum_up([one for _, one in checked], by)


def _row(report: CheckReport, one: CheckedExecution) -> tuple[Any, ...]:
    ref = f"{report.namespace}/{report.workflow}"
    return one.execution_id, ref, one.version or "", one.state, one.outcome.replace("_", " "), _reason(one)


def _reason(one: CheckedExecution) -> str:
    """One line; of a divergence both calls with their places, and the likely cause."""
    from flux.wire.divergence import place, told

    rows = told(one.divergence, Path.cwd())
    if not rows:
        where = place(one.location, Path.cwd())
        return f"{one.detail} ({where})" if where else one.detail
    return "; ".join(f"{what}: {text} ({where})" if where else f"{what}: {text}" for what, text, where in rows)


def _sum_up(checked: list[CheckedExecution], by: str) -> None:
    if not checked:
        return talk("No executions to check.")
    diverging = sum(one.outcome == "diverges" for one in checked)
    unsure = sum(one.outcome in ("undecided", "unloadable") for one in checked)
    told = f"{diverging} of {len(checked)} would diverge" if diverging else f"None of {len(checked)} would diverge"
    more = f", {unsure} could not be decided" if unsure else ""
    return talk(f"{told}{more} (replayed by {by}).", style="red" if diverging else "")
