"""The catalog: list, publish, show, delete."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError

from flux.domain import WorkflowVersion
from flux.errors import InvalidInputError, UsageError
from flux.security import Permission
from flux.server import views
from flux.server.access import needs
from flux.server.bodies import loads, reply
from flux.server.problems import responses
from flux.server.refs import Ref
from flux.server.state import Flux
from flux.wire.models import Publication, WorkflowDetail, WorkflowSummary

router = APIRouter(tags=["workflows"])

_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
            "application/json": {"schema": Publication.model_json_schema(ref_template="#/components/schemas/{model}")},
        },
    }
}


@router.get(
    "/workflows",
    operation_id="list_workflows",
    response_model=list[WorkflowSummary],
    responses=responses(403),
    dependencies=[needs(Permission.WORKFLOWS_READ)],
)
async def list_workflows(flux: Flux, namespace: Annotated[str | None, Query()] = None) -> Response:
    """Every workflow with its current version."""
    return reply([views.workflow(version) for version in await flux.store.catalog.list(namespace)])


@router.post(
    "/workflows",
    operation_id="publish_workflows",
    status_code=201,
    response_model=list[WorkflowSummary],
    responses=responses(400, 403, 413, 415),
    dependencies=[needs(Permission.WORKFLOWS_WRITE)],
    openapi_extra=_UPLOAD,
)
async def publish_workflows(flux: Flux, request: Request) -> Response:
    """Publish a file (multipart `file`), or source with its manifest (JSON).

    Without a manifest a worker imports the source to find its workflows; the server never does.
    """
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        versions = await flux.publisher.upload(*await _uploaded(request))
    else:
        versions = await flux.publisher.publish(_publication(await request.body()))
    return reply([views.workflow(version) for version in versions], 201)


@router.get(
    "/workflows/{ref:ref}/versions",
    operation_id="list_workflow_versions",
    response_model=list[WorkflowSummary],
    responses=responses(403, 404),
    dependencies=[needs(Permission.WORKFLOWS_READ)],
)
async def list_workflow_versions(flux: Flux, ref: Ref) -> Response:
    """All versions of a workflow, newest first."""
    versions = await flux.store.catalog.versions(ref)
    return reply([views.workflow(one) for one in sorted(versions, key=lambda one: -one.version)])


@router.get(
    "/workflows/{ref:ref}/versions/{version}",
    operation_id="get_workflow_version",
    response_model=WorkflowDetail,
    responses=responses(403, 404),
    dependencies=[needs(Permission.WORKFLOWS_READ)],
)
async def get_workflow_version(flux: Flux, ref: Ref, version: int) -> Response:
    """One version of a workflow with its schemas and source."""
    return await _detail(flux, await flux.store.catalog.get(ref, version))


@router.get(
    "/workflows/{ref:ref}",
    operation_id="get_workflow",
    response_model=WorkflowDetail,
    responses=responses(403, 404),
    dependencies=[needs(Permission.WORKFLOWS_READ)],
)
async def get_workflow(flux: Flux, ref: Ref, version: Annotated[int | None, Query()] = None) -> Response:
    """A workflow with its schemas and source: the current version, or the one asked for."""
    return await _detail(flux, await flux.store.catalog.get(ref, version))


@router.delete(
    "/workflows/{ref:ref}",
    operation_id="delete_workflow",
    status_code=204,
    response_model=None,
    responses=responses(403, 404),
    dependencies=[needs(Permission.WORKFLOWS_WRITE)],
)
async def delete_workflow(flux: Flux, ref: Ref) -> Response:
    """Take the name out of the catalog; live executions and the history stay."""
    await flux.publisher.delete(ref)
    return Response(status_code=204)


async def _detail(flux: Flux, version: WorkflowVersion) -> Response:
    bundle = await flux.store.catalog.bundle(version.digest)
    return reply(views.workflow_detail(version, bundle.modules[bundle.entry].source))


async def _uploaded(request: Request) -> tuple[str, bytes]:
    async with request.form(max_files=1) as form:
        file = form.get("file")
        if file is None or isinstance(file, str):
            raise UsageError("The form has no file.", hint="Send it as the form field `file`.")
        return file.filename or "workflows.py", await file.read()


def _publication(body: bytes) -> Publication:
    try:
        return Publication.model_validate({"workflows": [], **_object(loads(body))})
    except ValidationError as error:
        raise InvalidInputError(
            errors=[{"loc": list(one["loc"]), "msg": one["msg"], "type": one["type"]} for one in error.errors()]
        ) from None


def _object(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise UsageError("Send a file as multipart form, or a publication as JSON object.")
    return value
