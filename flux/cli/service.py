"""`flux service …`: offer workflows as plain HTTP endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flux.cli.options import Format, FormatOption, ServerUrl, example, new_app
from flux.cli.render import fields, put, put_json, table, talk
from flux.cli.session import on_server
from flux.errors import UsageError

if TYPE_CHECKING:
    from flux.wire.services import ServiceDetail

app = new_app("Offer workflows as plain HTTP endpoints.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the service.")]
Refs = Annotated[list[str], typer.Argument(metavar="REF…", help="`name`, or `namespace/name`.")]
Namespaces = Annotated[
    list[str] | None, typer.Option("--namespace", metavar="NS", help="Every workflow of it; may be repeated.")
]
Workflows = Annotated[
    list[str] | None, typer.Option("--workflow", metavar="REF", help="A single workflow; may be repeated.")
]
Exclusions = Annotated[
    list[str] | None, typer.Option("--exclude", metavar="REF", help="Leave this one out; may be repeated.")
]
_MCP = "Mark it for MCP tools of its own. The mark is kept; no server reads it yet."


@app.command("list", epilog=example("flux service list"))
def list_services(format: FormatOption = "simple", server_url: ServerUrl = "") -> None:
    """List the services and what they select."""
    services = on_server(server_url, lambda client: client.list_services())
    if format == "json":
        return put_json(services)
    if not services:
        return talk("No services. Make one with `flux service create NAME --namespace NS`.")
    rows = [
        (one.name, ", ".join(one.namespaces), ", ".join(one.workflows), ", ".join(one.exclusions)) for one in services
    ]
    return table(("name", "namespaces", "workflows", "exclusions"), rows)


@app.command("show", epilog=example("flux service show billing"))
def show(name: Name, format: FormatOption = "simple", server_url: ServerUrl = "") -> None:
    """Show a service: its selectors, and the endpoints they find right now."""
    _tell(on_server(server_url, lambda client: client.get_service(name)), format)


@app.command("create", epilog=example("flux service create billing --namespace bank --workflow shop/order"))
def create(
    name: Name,
    namespace: Namespaces = None,
    workflow: Workflows = None,
    exclude: Exclusions = None,
    mcp: Annotated[bool, typer.Option("--mcp", help=_MCP)] = False,
    format: FormatOption = "simple",
    server_url: ServerUrl = "",
) -> None:
    """Make a service of namespaces, plus workflows, minus exclusions."""
    from flux.wire.services import ServiceCreate

    service = ServiceCreate(
        name=name,
        namespaces=namespace or [],
        workflows=workflow or [],
        exclusions=exclude or [],
        mcp_enabled=mcp,
    )
    _tell(on_server(server_url, lambda client: client.create_service(service)), format)


@app.command("add", epilog=example("flux service add billing --workflow shop/refund"))
def add(
    name: Name,
    namespace: Namespaces = None,
    workflow: Workflows = None,
    format: FormatOption = "simple",
    server_url: ServerUrl = "",
) -> None:
    """Add namespaces or workflows to a service."""
    _need(namespace, workflow)
    _update(name, format, server_url, add_namespaces=namespace or [], add_workflows=workflow or [])


@app.command("remove", epilog=example("flux service remove billing --namespace bank"))
def remove(
    name: Name,
    namespace: Namespaces = None,
    workflow: Workflows = None,
    format: FormatOption = "simple",
    server_url: ServerUrl = "",
) -> None:
    """Take namespaces or workflows out of a service."""
    _need(namespace, workflow)
    _update(name, format, server_url, remove_namespaces=namespace or [], remove_workflows=workflow or [])


@app.command("exclude", epilog=example("flux service exclude billing bank/internal"))
def exclude(name: Name, refs: Refs, format: FormatOption = "simple", server_url: ServerUrl = "") -> None:
    """Leave workflows out, whatever selects them."""
    _update(name, format, server_url, add_exclusions=refs)


@app.command("include", epilog=example("flux service include billing bank/internal"))
def include(name: Name, refs: Refs, format: FormatOption = "simple", server_url: ServerUrl = "") -> None:
    """No longer leave workflows out."""
    _update(name, format, server_url, remove_exclusions=refs)


@app.command("update", epilog=example("flux service update billing --mcp"))
def update(
    name: Name,
    mcp: Annotated[bool, typer.Option("--mcp/--no-mcp", help=_MCP, show_default=False)],
    format: FormatOption = "simple",
    server_url: ServerUrl = "",
) -> None:
    """Change what is not a selector."""
    _update(name, format, server_url, mcp_enabled=mcp)


@app.command("delete", epilog=example("flux service delete billing --yes"))
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    server_url: ServerUrl = "",
) -> None:
    """Delete a service; its workflows stay."""
    if not yes:
        typer.confirm(f"Delete the service {name}?", abort=True, err=True)
    on_server(server_url, lambda client: client.delete_service(name))
    talk(f"Deleted {name}.")


def _update(name: str, format: Format, server_url: str, **changes: Any) -> None:
    from flux.wire.services import ServiceUpdate

    change = ServiceUpdate(**changes)
    _tell(on_server(server_url, lambda client: client.update_service(name, change)), format)


def _need(namespaces: list[str] | None, workflows: list[str] | None) -> None:
    if not namespaces and not workflows:
        raise UsageError("Nothing is named.", hint="Pass --namespace NS or --workflow REF.")


def _tell(service: ServiceDetail, format: Format) -> None:
    if format == "json":
        return put_json(service)
    fields(
        {
            "service": service.name,
            "namespaces": ", ".join(service.namespaces),
            "workflows": ", ".join(service.workflows),
            "exclusions": ", ".join(service.exclusions),
            "mcp": "marked" if service.mcp_enabled else "",
        }
    )
    put(f"Resolved endpoints ({len(service.endpoints)}):")
    for one in service.endpoints:
        put(f"  {one.path} → {one.namespace}/{one.workflow} (v{one.version})")
    for collision in service.collisions:
        talk(f"  /{collision.name} is ambiguous: {' and '.join(collision.workflows)}.", style="yellow")
    if service.collisions:
        talk(f"Exclude all but one of each: flux service exclude {service.name} REF")
    return None
