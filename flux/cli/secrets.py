"""`flux secrets …`: what tasks need and nobody may see."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from flux.cli.keeping import WHERE, on_server_or_store, show_names
from flux.cli.options import FormatOption, ServerUrl, example, new_app
from flux.cli.render import put, put_json

if TYPE_CHECKING:
    from flux.client.client import FluxClient
    from flux.store import Store

app = new_app(f"Keep secrets for the tasks that ask for them with `secret_requests`. {WHERE}")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the secret.")]


@app.command("list", epilog=example("flux secrets list"))
def list_secrets(format: FormatOption = "simple", server_url: ServerUrl = "") -> None:
    """List the names of the secrets."""
    names = on_server_or_store(server_url, lambda client: client.list_secrets(), lambda store: store.secrets.names())
    show_names(names, format, "No secrets. Keep one with `flux secrets set NAME VALUE`.")


@app.command("set", epilog=example("flux secrets set API_KEY hunter2", "pass show api | flux secrets set API_KEY -"))
def set_secret(
    name: Name,
    value: Annotated[
        str | None,
        typer.Argument(metavar="VALUE", help="The value, or - to read stdin; asked for when left out."),
    ] = None,
    server_url: ServerUrl = "",
) -> None:
    """Keep a secret, in place of an earlier one of that name."""
    secret = _given(name, value)

    async def by_server(client: FluxClient) -> None:
        await client.set_secret(name, secret)

    on_server_or_store(server_url, by_server, lambda store: store.secrets.set(name, secret))
    put(f"Secret '{name}' has been set successfully.")


@app.command("get", epilog=example("flux secrets get API_KEY", "flux secrets get API_KEY --format json"))
def get(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it is shown.")] = False,
    format: FormatOption = "simple",
    server_url: ServerUrl = "",
) -> None:
    """Show the value of a secret, after a question."""
    if not yes and format != "json":
        typer.confirm(f"Show the value of '{name}' here?", abort=True, err=True)

    async def by_server(client: FluxClient) -> str:
        return (await client.get_secret(name)).value

    async def in_store(store: Store) -> str:
        from flux.errors import SecretNotFoundError

        found = await store.secrets.get([name])
        if name not in found:
            raise SecretNotFoundError(f"Secret '{name}' not found.")
        return found[name]

    value = on_server_or_store(server_url, by_server, in_store)
    if format == "json":
        return put_json({"name": name, "value": value})
    return put(f"Secret '{name}': {value}")


@app.command("remove", epilog=example("flux secrets remove API_KEY"))
def remove(name: Name, server_url: ServerUrl = "") -> None:
    """Forget a secret."""

    async def by_server(client: FluxClient) -> None:
        await client.delete_secret(name)

    on_server_or_store(server_url, by_server, lambda store: store.secrets.remove(name))
    put(f"Secret '{name}' has been removed successfully.")


def _given(name: str, value: str | None) -> str:
    """The value as it was typed or piped in; a pipe's last line break does not belong to it."""
    if value is None:
        typed: str = typer.prompt(f"Value of '{name}'", hide_input=True, err=True)
        return typed
    return sys.stdin.read().removesuffix("\n") if value == "-" else value
