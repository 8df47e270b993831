"""`flux worker …`: look at workers."""

from __future__ import annotations

from typing import Annotated

import typer

from flux.cli.options import FormatOption, ServerUrl, example, new_app
from flux.cli.render import age, fields, put_json, table, talk
from flux.cli.session import on_server

app = new_app("Look at workers.")


@app.command("list", epilog=example("flux worker list"))
def list_workers(format: FormatOption = "simple", server_url: ServerUrl = "") -> None:
    """List the workers that the server knows."""
    workers = on_server(server_url, lambda client: client.list_workers())
    if format == "json":
        return put_json(workers)
    if not workers:
        return talk("No workers. Start one with `flux start worker`.")
    rows = [
        (
            worker.name,
            "online" if worker.online else "offline",
            f"{worker.running}/{worker.slots}",
            "embedded" if worker.embedded else "remote",
            worker.runtime.get("python_version", ""),
            age(worker.last_seen),
        )
        for worker in workers
    ]
    return table(("name", "state", "running", "kind", "python", "seen"), rows)


@app.command("show", epilog=example("flux worker show worker-1"))
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the worker.")],
    format: FormatOption = "simple",
    server_url: ServerUrl = "",
) -> None:
    """Show one worker: what it runs on, what it has, what it does."""
    worker = on_server(server_url, lambda client: client.get_worker(name))
    if format == "json":
        return put_json(worker)
    return fields(
        {
            "name": worker.name,
            "state": "online" if worker.online else "offline",
            "running": f"{worker.running} of {worker.slots}",
            "kind": "embedded" if worker.embedded else "remote",
            "last seen": worker.last_seen,
            "registered": worker.registered_at,
            "runtime": worker.runtime,
            "resources": worker.resources,
            "labels": worker.labels,
            "packages": worker.packages,
        }
    )
