"""What a service selects, and how that is changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from flux.domain import Service, WorkflowRef
from flux.errors import UsageError

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change:
    """An update of a service. What is removed goes first; `mcp_enabled` None leaves it as it is."""

    add_namespaces: Sequence[str] = ()
    remove_namespaces: Sequence[str] = ()
    add_workflows: Sequence[WorkflowRef] = ()
    remove_workflows: Sequence[WorkflowRef] = ()
    add_exclusions: Sequence[WorkflowRef] = ()
    remove_exclusions: Sequence[WorkflowRef] = ()
    mcp_enabled: bool | None = None


def check_service_name(name: str) -> str:
    """The name itself if a service may have it; raises `UsageError` otherwise.

    Example:
        >>> check_service_name("billing")
        'billing'
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' cannot name a service.",
            hint="Use lower-case letters, digits, `_` and `-`, a letter or digit first.",
        )
    return name


def check_service(service: Service) -> Service:
    """The service with each selector once; raises `UsageError` for a name or namespace that cannot be."""
    check_service_name(service.name)
    for namespace in service.namespaces:
        if not namespace or "/" in namespace:
            raise UsageError(f"'{namespace}' is not a namespace.", hint="Name single workflows as `namespace/name`.")
    return replace(
        service,
        namespaces=_once(service.namespaces),
        workflows=_once(service.workflows),
        exclusions=_once(service.exclusions),
    )


def changed(service: Service, change: Change) -> Service:
    """The service after an update.

    Adding what is there and removing what is not change nothing. Raises `UsageError` as `check_service`.
    """
    return check_service(
        replace(
            service,
            namespaces=_moved(service.namespaces, change.add_namespaces, change.remove_namespaces),
            workflows=_moved(service.workflows, change.add_workflows, change.remove_workflows),
            exclusions=_moved(service.exclusions, change.add_exclusions, change.remove_exclusions),
            mcp_enabled=service.mcp_enabled if change.mcp_enabled is None else change.mcp_enabled,
        )
    )


def _moved(there: Iterable[T], add: Iterable[T], remove: Sequence[T]) -> tuple[T, ...]:
    return _once((*(one for one in there if one not in remove), *add))


def _once(items: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))
