"""Bodies of the routes of secrets and configs."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from flux.wire.models import Json, Wire


class SecretModel(Wire):
    """A secret, to be kept or revealed."""

    model_config = ConfigDict(extra="forbid")

    name: str
    value: str = Field(repr=False)


class ConfigModel(Wire):
    """A config: any JSON value."""

    model_config = ConfigDict(extra="forbid")

    name: str
    value: Json


class Done(Wire):
    """What has been done, in words."""

    status: str = "success"
    message: str
