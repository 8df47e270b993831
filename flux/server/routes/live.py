"""The firehose."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from flux.security import Permission
from flux.server.access import needs
from flux.server.live import Filter
from flux.server.problems import responses
from flux.server.sse import STREAM_DOCS, stream
from flux.server.state import Flux

router = APIRouter(tags=["live"])

Names = Annotated[list[str] | None, Query(description="One or more, repeated or separated by commas.")]


@router.get(
    "/events",
    operation_id="stream_live_events",
    response_class=Response,
    responses={200: STREAM_DOCS, **responses(403)},
    dependencies=[needs(Permission.EXECUTIONS_READ)],
)
async def stream_live_events(
    flux: Flux,
    workflow: Names = None,
    state: Names = None,
    type: Names = None,
    last_event_id: Annotated[int | None, Header(description="Resume after this id.")] = None,
) -> Response:
    """Everything live, each message a `LiveEvent`. After a reconnect duplicates are possible, gaps are not."""
    wanted = Filter(_names(workflow), _upper(state), _upper(type))
    return stream(flux.firehose.frames(last_event_id, wanted))


def _names(values: list[str] | None) -> frozenset[str]:
    return frozenset(name.strip() for value in values or () for name in value.split(",") if name.strip())


def _upper(values: list[str] | None) -> frozenset[str]:
    return frozenset(name.upper() for name in _names(values))
