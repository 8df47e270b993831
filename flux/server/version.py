"""The installed version of Flux."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def _installed() -> str:
    try:
        return version("flux-core")
    except PackageNotFoundError:
        return "0.0.0"


VERSION = _installed()
