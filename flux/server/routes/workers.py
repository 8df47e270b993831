"""Workers, as people see them; the protocol that workers speak is in `worker_protocol`."""

from __future__ import annotations

from fastapi import APIRouter

from flux.clock import to_datetime
from flux.errors import WorkerNotFoundError
from flux.security import Permission
from flux.server.access import needs
from flux.server.problems import responses
from flux.server.state import Flux, Services
from flux.store import WorkerRecord
from flux.wire.models import WorkerModel

router = APIRouter(prefix="/workers", tags=["workers"])


@router.get(
    "",
    operation_id="list_workers",
    response_model=list[WorkerModel],
    responses=responses(403),
    dependencies=[needs(Permission.WORKERS_READ)],
)
async def list_workers(flux: Flux) -> list[WorkerModel]:
    """Every worker that is online, or was and may come back."""
    records = {record.name: record for record in await flux.store.workers.list()}
    names = sorted({*records, *(worker.name for worker in flux.presence.all())})
    return [_model(flux, name, records.get(name)) for name in names]


@router.get(
    "/{name}",
    operation_id="get_worker",
    response_model=WorkerModel,
    responses=responses(403, 404),
    dependencies=[needs(Permission.WORKERS_READ)],
)
async def get_worker(flux: Flux, name: str) -> WorkerModel:
    """One worker and what it is doing."""
    try:
        record = await flux.store.workers.get(name)
    except WorkerNotFoundError:
        if flux.presence.find(name) is None:
            raise
        record = None
    return _model(flux, name, record)


def _model(flux: Services, name: str, record: WorkerRecord | None) -> WorkerModel:
    online = flux.presence.model(name)
    if online is not None:
        return online
    assert record is not None
    known = {key: record.data[key] for key in ("slots", "runtime", "packages", "resources", "labels")}
    return WorkerModel(
        name=name,
        online=False,
        last_seen=to_datetime(record.last_seen),
        registered_at=to_datetime(record.registered_at),
        **known,
    )
