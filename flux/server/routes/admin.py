"""Secrets and configs: keep, list, reveal, forget. Nothing of it may stay in a cache on the way."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Response
from starlette.requests import Request

from flux.codec import from_plain, to_plain
from flux.errors import ConfigNotFoundError, ForbiddenError, SecretNotFoundError
from flux.security import Permission, is_loopback, refusal
from flux.server.access import needs
from flux.server.bodies import reply
from flux.server.problems import responses
from flux.server.state import Flux
from flux.wire.admin import ConfigModel, Done, SecretModel


async def from_here(request: Request) -> None:
    """Dependency: who cannot be authenticated must at least be on this machine.

    Raises `ForbiddenError`. A browser there may have been tricked into asking: its `Host` or `Origin` tells.
    """
    peer = request.client.host if request.client else ""
    if is_loopback(request.app.state.host):
        return  # nobody else can reach it, and every request has been looked at
    if not is_loopback(peer.removeprefix("::ffff:")) or refusal(
        request.headers.get("host", ""), request.headers.get("origin")
    ):
        raise ForbiddenError(
            "Secrets and configs are managed from the server's own machine, since nobody is authenticated.",
            hint="Run `flux secrets` and `flux configs` there; as http://localhost with its port over HTTP.",
        )


router = APIRouter(prefix="/admin", tags=["admin"], dependencies=[Depends(from_here)])


@router.get(
    "/secrets",
    operation_id="list_secrets",
    response_model=list[str],
    responses=responses(403),
    dependencies=[needs(Permission.SECRETS_READ)],
)
async def list_secrets(flux: Flux) -> Response:
    """The names of all secrets."""
    return _private(await flux.store.secrets.names())


@router.post(
    "/secrets",
    operation_id="set_secret",
    response_model=Done,
    responses=responses(400, 403),
    dependencies=[needs(Permission.SECRETS_WRITE)],
)
async def set_secret(flux: Flux, body: SecretModel) -> Response:
    """Keep a secret, in place of an earlier one of that name."""
    await flux.store.secrets.set(body.name, body.value)
    return _done(f"Secret '{body.name}' has been set successfully.")


@router.get(
    "/secrets/{name:path}",
    operation_id="get_secret",
    response_model=SecretModel,
    responses=responses(403, 404, 409),
    dependencies=[needs(Permission.SECRETS_READ)],
)
async def get_secret(flux: Flux, name: str) -> Response:
    """Reveal a secret."""
    found = await flux.store.secrets.get([name])
    if name not in found:
        raise SecretNotFoundError(f"Secret '{name}' not found.")
    return _private({"name": name, "value": found[name]})


@router.delete(
    "/secrets/{name:path}",
    operation_id="delete_secret",
    response_model=Done,
    responses=responses(403, 404),
    dependencies=[needs(Permission.SECRETS_WRITE)],
)
async def delete_secret(flux: Flux, name: str) -> Response:
    """Forget a secret."""
    await flux.store.secrets.remove(name)
    return _done(f"Secret '{name}' has been removed successfully.")


@router.get(
    "/configs",
    operation_id="list_configs",
    response_model=list[str],
    responses=responses(403),
    dependencies=[needs(Permission.CONFIGS_READ)],
)
async def list_configs(flux: Flux) -> Response:
    """The names of all configs."""
    return _private(await flux.store.configs.names())


@router.post(
    "/configs",
    operation_id="set_config",
    response_model=Done,
    responses=responses(400, 403),
    dependencies=[needs(Permission.CONFIGS_WRITE)],
)
async def set_config(flux: Flux, body: ConfigModel) -> Response:
    """Keep a config, in place of an earlier one of that name."""
    await flux.store.configs.set(body.name, from_plain(body.value))
    return _done(f"Config '{body.name}' has been set successfully.")


@router.get(
    "/configs/{name:path}",
    operation_id="get_config",
    response_model=ConfigModel,
    responses=responses(403, 404),
    dependencies=[needs(Permission.CONFIGS_READ)],
)
async def get_config(flux: Flux, name: str) -> Response:
    """The value of a config."""
    found = await flux.store.configs.get([name])
    if name not in found:
        raise ConfigNotFoundError(f"Config '{name}' not found.")
    return _private({"name": name, "value": to_plain(found[name])})


@router.delete(
    "/configs/{name:path}",
    operation_id="delete_config",
    response_model=Done,
    responses=responses(403, 404),
    dependencies=[needs(Permission.CONFIGS_WRITE)],
)
async def delete_config(flux: Flux, name: str) -> Response:
    """Forget a config."""
    await flux.store.configs.remove(name)
    return _done(f"Config '{name}' has been removed successfully.")


def _done(message: str) -> Response:
    return _private(Done(message=message).model_dump())


def _private(content: Any) -> Response:
    response = reply(content)
    response.headers["Cache-Control"] = "no-store"
    return response
