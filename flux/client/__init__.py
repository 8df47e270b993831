"""The typed async client of the HTTP API."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flux.client.client import FluxClient

__all__ = ["FluxClient"]


def __getattr__(name: str) -> object:
    # Deferred: httpx and pydantic cost a tenth of a second, and `flux.client.api` needs neither.
    if name == "FluxClient":
        from flux.client.client import FluxClient

        return FluxClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
