"""Bodies of the routes of services."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from flux.domain.events import ExecutionState
from flux.wire.models import Json, Wire


class ServiceCreate(Wire):
    """A new service. Workflows are `namespace/name`, or `name` in the namespace `default`."""

    model_config = ConfigDict(extra="forbid")

    name: str
    namespaces: list[str] = Field(default_factory=list)
    workflows: list[str] = Field(default_factory=list)
    exclusions: list[str] = Field(default_factory=list)
    mcp_enabled: bool = False


class ServiceUpdate(Wire):
    """A change of a service; what is not named stays as it is."""

    model_config = ConfigDict(extra="forbid")

    add_namespaces: list[str] = Field(default_factory=list)
    remove_namespaces: list[str] = Field(default_factory=list)
    add_workflows: list[str] = Field(default_factory=list)
    remove_workflows: list[str] = Field(default_factory=list)
    add_exclusions: list[str] = Field(default_factory=list)
    remove_exclusions: list[str] = Field(default_factory=list)
    mcp_enabled: bool | None = None


class ServiceModel(Wire):
    """A service and its selectors."""

    name: str
    namespaces: list[str] = Field(default_factory=list)
    workflows: list[str] = Field(default_factory=list)
    exclusions: list[str] = Field(default_factory=list)
    mcp_enabled: bool = False
    created_at: datetime
    updated_at: datetime


class EndpointModel(Wire):
    """A workflow of a service: `path` is below the service, `version` the current one."""

    name: str
    path: str
    namespace: str
    workflow: str
    version: int
    description: str = ""
    input_schema: dict[str, Any] | None = None


class CollisionModel(Wire):
    """A name that several workflows of a service have; it leads nowhere until all but one are excluded."""

    name: str
    workflows: list[str]


class ServiceDetail(ServiceModel):
    """A service with what its selectors find in the catalog right now."""

    endpoints: list[EndpointModel] = Field(default_factory=list)
    collisions: list[CollisionModel] = Field(default_factory=list)


class ServiceRun(Wire):
    """An execution as a service shows it.

    Attributes:
        output: of the workflow; what the open pause shows; `{"type", "message", …}` of a failure.
        status_url: where to ask again, while it is not over.
        resume_url: where to POST the answer, while it is paused.
    """

    execution_id: str
    state: ExecutionState
    output: Json = None
    namespace: str
    workflow: str
    status_url: str | None = None
    resume_url: str | None = None
