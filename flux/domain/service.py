"""A service: one name for a choice of workflows."""

from __future__ import annotations

from dataclasses import dataclass

from flux.domain.workflow import WorkflowRef


@dataclass(frozen=True, slots=True)
class Service:
    """Which workflows a service offers. `flux.services` has the rules; this is what is kept.

    Attributes:
        namespaces: every workflow of these.
        workflows: and these.
        exclusions: but not these, whichever of the two named them.
        mcp_enabled: whether its workflows are to be offered as MCP tools.
        created_at, updated_at: microseconds UTC, by the store.
    """

    name: str
    namespaces: tuple[str, ...] = ()
    workflows: tuple[WorkflowRef, ...] = ()
    exclusions: tuple[WorkflowRef, ...] = ()
    mcp_enabled: bool = False
    created_at: int = 0
    updated_at: int = 0
