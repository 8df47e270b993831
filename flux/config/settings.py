"""Every setting with its default and what is allowed."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from flux.config.home import Home, derive_key

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(ge=0)]
LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
    BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
]


class Section(BaseModel):
    """A group of settings; unchangeable, so that nothing drifts from what `flux config show` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WorkerSettings(Section):
    """`workers.`: workers, and what happens to executions whose runner died."""

    bootstrap_token: str = Field(default="", repr=False, description="what workers register with; generated when empty")
    server_url: str = "http://localhost:8000"
    default_timeout: Seconds = Field(default=0, description="seconds for tasks without their own timeout; 0 is none")
    retry_attempts: int = Field(default=3, ge=0, description="reruns of an execution whose runner died")
    retry_delay: Seconds = Field(default=1, description="seconds before the first rerun")
    retry_backoff: float = Field(default=2, ge=1, description="factor from one delay to the next")
    max_concurrent_executions: int = Field(default=100, ge=1, description="executions that one worker takes at once")
    runner_processes: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)


class OidcSettings(Section):
    """`security.auth.oidc.`: tokens of an identity provider."""

    enabled: bool = False
    issuer: str = ""
    audience: str = ""
    jwks_uri: str = Field(default="", description="found through the issuer when empty")


class ApiKeySettings(Section):
    """`security.auth.api_keys.`: keys that the server hands out."""

    enabled: bool = False


class AuthSettings(Section):
    """`security.auth.`: who may call the server."""

    enabled: bool = False
    oidc: OidcSettings = Field(default_factory=OidcSettings)
    api_keys: ApiKeySettings = Field(default_factory=ApiKeySettings)


class SecuritySettings(Section):
    """`security.`: keys and access."""

    encryption_key: str = Field(
        default="", repr=False, description="any text; generated and kept in the home when empty"
    )
    auth: AuthSettings = Field(default_factory=AuthSettings)


class McpSettings(Section):
    """`mcp.`: the MCP server."""

    name: str = "flux-workflows"
    host: str = "localhost"
    port: Port = 8080
    server_url: str = "http://localhost:8000"
    transport: Literal["streamable-http", "stdio", "sse"] = "streamable-http"


class SchedulingSettings(Section):
    """`scheduling.`: when and how schedules fire."""

    auto_schedule_enabled: bool = True
    auto_schedule_suffix: str = "_auto"
    poll_interval: float = Field(
        default=30.0, gt=0, description="seconds between safety looks; due schedules fire on time"
    )
    max_concurrent_executions: int = Field(default=10, ge=1)
    execution_timeout: Seconds = Field(default=3600.0, description="seconds until a scheduled execution is cancelled")
    schedule_check_tolerance: Seconds = 1.0
    once_schedule_tolerance: Seconds = 60.0


class DevSettings(Section):
    """`dev.`: the dashboard and what it watches."""

    keys: dict[str, str] = Field(default_factory=dict, description="command id to key")
    theme: str = "flux"
    paths: list[str] = Field(default_factory=lambda: ["."], description="what `flux dev` watches")
    ignore: list[str] = Field(default_factory=list, description="patterns that it does not")


class RetentionSettings(Section):
    """`retention.`: days that finished executions are kept; 0 keeps them."""

    completed: Seconds = 0
    failed: Seconds = 0
    cancelled: Seconds = 0


class ObservabilitySettings(Section):
    """`observability.`: traces and metrics."""

    enabled: bool = False
    otlp_endpoint: str = ""
    prometheus: bool = True


class Settings(Section):
    """All settings. Made by `load_settings`; `Settings()` alone has the defaults.

    Example:
        >>> Settings(home="/srv/flux").database_url
        'sqlite:////srv/flux/flux.db'
    """

    debug: bool = False
    log_level: LogLevel = "INFO"
    server_host: str = "localhost"
    server_port: Port = 8000
    home: str = ".flux"
    database_url: str = ""
    database_synchronous: Literal["full", "normal"] = "full"
    serializer: Literal["pkl", "json"] = "pkl"
    workers: WorkerSettings = Field(default_factory=WorkerSettings)
    security: SecuritySettings = Field(default_factory=SecuritySettings)
    mcp: McpSettings = Field(default_factory=McpSettings)
    scheduling: SchedulingSettings = Field(default_factory=SchedulingSettings)
    dev: DevSettings = Field(default_factory=DevSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    observability: ObservabilitySettings = Field(default_factory=ObservabilitySettings)

    @model_validator(mode="after")
    def _resolve_places(self) -> Settings:
        """Fix the home where the process stands now: user code may change the folder later."""
        home = Path.cwd() / Path(self.home).expanduser()
        self.__dict__["home"] = str(home)
        if not self.database_url:
            self.__dict__["database_url"] = f"sqlite:///{home / 'flux.db'}"
        if "server_url" not in self.workers.model_fields_set:
            self.workers.__dict__["server_url"] = self._own_url()
        if "server_url" not in self.mcp.model_fields_set:
            self.mcp.__dict__["server_url"] = self.workers.server_url
        return self

    def _own_url(self) -> str:
        """Where a server with these settings answers; a bind to all interfaces is reached as localhost."""
        host = "localhost" if self.server_host in ("0.0.0.0", "::", "") else self.server_host
        return f"http://{host}:{self.server_port}"

    def signing_key(self) -> bytes:
        """What signs stored values: from `security.encryption_key`, else generated and kept in the home."""
        if self.security.encryption_key:
            return derive_key(self.security.encryption_key, "flux signing")
        return Home(self.home).signing_key()

    def secrets_key(self) -> bytes:
        """What secrets are encrypted with: from `security.encryption_key`, else generated and kept in the home.

        It is another one than runners are given.
        """
        if self.security.encryption_key:
            return derive_key(self.security.encryption_key, "flux secrets")
        return Home(self.home).secrets_key()

    def bootstrap_token(self) -> str:
        """What workers register with: the configured token, else the one kept in the home."""
        return self.workers.bootstrap_token or Home(self.home).bootstrap_token()


SECRET_KEYS = frozenset({"workers.bootstrap_token", "security.encryption_key"})
"""Keys whose values are shown as `•••`."""

ALIASES = {
    "security.encryption.encryption_key": "security.encryption_key",
    "server_url": "workers.server_url",
}
"""Other spellings of keys."""


@cache
def known_keys() -> dict[str, FieldInfo]:
    """Every setting by its dotted key, in the order of the page that documents them."""
    return dict(_leaves(Settings, ""))


@cache
def sections() -> frozenset[str]:
    """Dotted names of the groups of settings."""
    names = (key.rpartition(".")[0] for key in known_keys())
    return frozenset(name[: len(name) - cut] for name in names if name for cut in _cuts(name))


def _cuts(name: str) -> list[int]:
    return [0, *(len(name) - index for index, letter in enumerate(name) if letter == ".")]


def _leaves(model: type[BaseModel], prefix: str) -> list[tuple[str, FieldInfo]]:
    found: list[tuple[str, FieldInfo]] = []
    for name, field in model.model_fields.items():
        kind: Any = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += _leaves(kind, f"{prefix}{name}.")
        else:
            found.append((prefix + name, field))
    return found
