"""Recorded calls of built-ins, which have no function of the user's behind them."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from flux.codec.digest import digest
from flux.engine.calls import Call
from flux.engine.frame import current_frame


async def perform(
    name: str,
    key: tuple[Any, ...],
    arguments: Mapping[str, Any],
    body: Callable[[], Awaitable[Any]],
    location: str,
) -> Any:
    """Run `body` as the recorded call of a built-in.

    Args:
        key: what tells this call from others of the same name and place.
        arguments: shown in the event.
        location: of the call; where an event loop has begun it, as in `parallel`, that of the enclosing call stands in.
    """
    frame = current_frame()
    digested = digest(key, {})
    call_id = frame.session.calls.identify(frame.path, name, digested, frame.call_id)
    if frame.session.codec.redactor.active:
        name, call_id = frame.session.shown(name, call_id)
    call = Call(call_id, name, frame.call_id, digested, location or frame.location, arguments)
    return await frame.session.perform(call, body)


async def value_of(result: Any) -> Any:
    """What a call has given: plain functions give values, the others something to await."""
    return await result if inspect.isawaitable(result) else result
