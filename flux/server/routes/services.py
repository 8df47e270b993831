"""Services: make, look at, change, delete. What they offer is called in `endpoints`."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Response

from flux.domain import Service, WorkflowRef
from flux.security import Permission
from flux.server import offers
from flux.server.access import needs
from flux.server.bodies import reply
from flux.server.problems import responses
from flux.server.state import Flux, Services
from flux.services import Change, changed, check_service
from flux.wire.services import ServiceCreate, ServiceDetail, ServiceModel, ServiceUpdate

router = APIRouter(prefix="/services", tags=["services"])


@router.get(
    "",
    operation_id="list_services",
    response_model=list[ServiceModel],
    responses=responses(403),
    dependencies=[needs(Permission.SERVICES_READ)],
)
async def list_services(flux: Flux) -> Response:
    """Every service with its selectors."""
    return reply([offers.summary(service) for service in await flux.store.services.list()])


@router.post(
    "",
    operation_id="create_service",
    status_code=201,
    response_model=ServiceDetail,
    responses=responses(400, 403, 409),
    dependencies=[needs(Permission.SERVICES_WRITE)],
)
async def create_service(flux: Flux, body: ServiceCreate) -> Response:
    """Make a service. Workflows it names need not be registered yet."""
    service = Service(
        body.name, tuple(body.namespaces), _refs(body.workflows), _refs(body.exclusions), body.mcp_enabled
    )
    return await _shown(flux, await flux.store.services.create(check_service(service)), 201)


@router.get(
    "/{service}",
    operation_id="get_service",
    response_model=ServiceDetail,
    responses=responses(403, 404),
    dependencies=[needs(Permission.SERVICES_READ)],
)
async def get_service(flux: Flux, service: str) -> Response:
    """A service with its selectors, and the endpoints they find right now."""
    return await _shown(flux, await flux.store.services.get(service))


@router.put(
    "/{service}",
    operation_id="update_service",
    response_model=ServiceDetail,
    responses=responses(400, 403, 404),
    dependencies=[needs(Permission.SERVICES_WRITE)],
)
async def update_service(flux: Flux, service: str, body: ServiceUpdate) -> Response:
    """Add and remove selectors."""
    change = Change(
        add_namespaces=body.add_namespaces,
        remove_namespaces=body.remove_namespaces,
        add_workflows=_refs(body.add_workflows),
        remove_workflows=_refs(body.remove_workflows),
        add_exclusions=_refs(body.add_exclusions),
        remove_exclusions=_refs(body.remove_exclusions),
        mcp_enabled=body.mcp_enabled,
    )
    return await _shown(flux, await flux.store.services.update(service, partial(changed, change=change)))


@router.delete(
    "/{service}",
    operation_id="delete_service",
    status_code=204,
    response_model=None,
    responses=responses(403, 404),
    dependencies=[needs(Permission.SERVICES_WRITE)],
)
async def delete_service(flux: Flux, service: str) -> Response:
    """Delete a service; its workflows and their executions stay."""
    await flux.store.services.delete(service)
    return Response(status_code=204)


async def _shown(flux: Services, service: Service, status: int = 200) -> Response:
    return reply(offers.detail(service, await offers.offer(flux.store, service)), status)


def _refs(texts: list[str]) -> tuple[WorkflowRef, ...]:
    return tuple(map(WorkflowRef.parse, texts))
