"""From selectors and a listing of the catalog to endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flux.domain import Service, WorkflowRef, WorkflowVersion
from flux.errors import EndpointCollisionError, EndpointNotFoundError


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One workflow of a service, under its own name without the namespace.

    Attributes:
        version: the current one.
        input_schema: JSON schema of the input, None when it is not typed.
    """

    name: str
    ref: WorkflowRef
    version: int
    description: str = ""
    input_schema: Mapping[str, Any] | None = None

    @property
    def path(self) -> str:
        """Below the service."""
        return f"/{self.name}"


@dataclass(frozen=True, slots=True)
class Offer:
    """What a service offers right now.

    Attributes:
        endpoints: by name.
        collisions: names that several workflows have. They lead nowhere; the other names are not affected.
    """

    service: str
    endpoints: Mapping[str, Endpoint]
    collisions: Mapping[str, tuple[WorkflowRef, ...]]

    def endpoint(self, name: str) -> Endpoint:
        """Where a name leads. Raises `EndpointNotFoundError` and `EndpointCollisionError`."""
        if name in self.endpoints:
            return self.endpoints[name]
        if name in self.collisions:
            refs = [str(ref) for ref in self.collisions[name]]
            raise EndpointCollisionError(
                f"'{name}' of the service '{self.service}' is ambiguous: it is {' and '.join(refs)}.", refs
            )
        raise EndpointNotFoundError(f"The service '{self.service}' has no workflow '{name}'.")


def resolve(service: Service, listing: Iterable[WorkflowVersion]) -> Offer:
    """Select from a listing of current versions: namespaces, plus workflows, minus exclusions.

    Workflows that are named and not in the listing are no endpoints until they are registered.

    Example:
        offer = resolve(service, await store.catalog.list())
        offer.endpoint("invoice").ref
    """
    named: dict[str, list[Endpoint]] = {}
    for found in listing:
        spec = found.spec
        if _selects(service, spec.ref):
            one = Endpoint(spec.name, spec.ref, found.version, spec.description, spec.input_schema)
            named.setdefault(spec.name, []).append(one)
    return Offer(
        service.name,
        {name: found[0] for name, found in sorted(named.items()) if len(found) == 1},
        {name: tuple(one.ref for one in found) for name, found in sorted(named.items()) if len(found) > 1},
    )


def candidates(service: Service, name: str) -> tuple[WorkflowRef, ...]:
    """Every workflow that `name` could lead to: a listing of these is enough to resolve this one name."""
    refs = [WorkflowRef(namespace, name) for namespace in service.namespaces]
    refs += [ref for ref in service.workflows if ref.name == name]
    return tuple(ref for ref in dict.fromkeys(refs) if ref not in service.exclusions)


def _selects(service: Service, ref: WorkflowRef) -> bool:
    return (ref.namespace in service.namespaces or ref in service.workflows) and ref not in service.exclusions
