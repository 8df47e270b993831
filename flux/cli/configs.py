"""`flux configs …`: values that tasks ask for, and that are no secrets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flux.cli.inputs import parse_input
from flux.cli.keeping import WHERE, on_server_or_store, show_names
from flux.cli.options import FormatOption, ServerUrl, example, new_app
from flux.cli.render import put, put_json

if TYPE_CHECKING:
    from flux.client.client import FluxClient
    from flux.store import Store

app = new_app(f"Keep values for the tasks that ask for them with `config_requests`. {WHERE}")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the config.")]


@app.command("list", epilog=example("flux configs list"))
def list_configs(format: FormatOption = "simple", server_url: ServerUrl = "") -> None:
    """List the names of the configs."""
    names = on_server_or_store(server_url, lambda client: client.list_configs(), lambda store: store.configs.names())
    show_names(names, format, "No configs. Keep one with `flux configs set NAME VALUE`.")


@app.command("set", epilog=example("flux configs set limits '{\"rows\": 100}'", "flux configs set limits @limits.json"))
def set_config(
    name: Name,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="JSON, a bare word, @file, or - to read stdin.")],
    server_url: ServerUrl = "",
) -> None:
    """Keep a config, in place of an earlier one of that name."""
    parsed = parse_input(value)

    async def by_server(client: FluxClient) -> None:
        await client.set_config(name, parsed)

    async def in_store(store: Store) -> None:
        from flux.codec import from_plain

        await store.configs.set(name, from_plain(parsed))

    on_server_or_store(server_url, by_server, in_store)
    put(f"Config '{name}' has been set successfully.")


@app.command("get", epilog=example("flux configs get limits"))
def get(name: Name, format: FormatOption = "simple", server_url: ServerUrl = "") -> None:
    """Show the value of a config."""

    async def by_server(client: FluxClient) -> Any:
        return (await client.get_config(name)).value

    async def in_store(store: Store) -> Any:
        from flux.codec import to_plain
        from flux.errors import ConfigNotFoundError

        found = await store.configs.get([name])
        if name not in found:
            raise ConfigNotFoundError(f"Config '{name}' not found.")
        return to_plain(found[name])

    value = on_server_or_store(server_url, by_server, in_store)
    if format == "json":
        return put_json({"name": name, "value": value})
    return put(f"Config '{name}': {json.dumps(value, ensure_ascii=False)}")


@app.command("remove", epilog=example("flux configs remove limits"))
def remove(name: Name, server_url: ServerUrl = "") -> None:
    """Forget a config."""

    async def by_server(client: FluxClient) -> None:
        await client.delete_config(name)

    on_server_or_store(server_url, by_server, lambda store: store.configs.remove(name))
    put(f"Config '{name}' has been removed successfully.")
