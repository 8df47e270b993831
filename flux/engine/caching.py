"""The cache: an earlier result of a task for the same code and arguments, whoever computed it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from flux.codec import Payload
from flux.codec.digest import exact_digest
from flux.codec.names import type_name
from flux.domain import ExecutionEventType, Inquiry, InquiryKind
from flux.engine.fingerprint import fingerprint
from flux.engine.injection import configs_of
from flux.errors import FluxError

if TYPE_CHECKING:
    from flux.engine.policies import Attempted

Body = Callable[[], Awaitable[Any]]


def with_cache(attempt: Attempted, body: Body) -> Body:
    """Use an earlier result, or keep the one of the body for later.

    Failures are not kept, nor is a fallback's value, nor what cannot be stored. A call that an earlier
    activation has begun is not looked up: its recorded steps have to be met again.
    """
    if not attempt.task.options.cache:
        return body

    async def cached() -> Any:
        key = await cache_key(attempt)
        if key is None:
            return await body()
        if attempt.call.id not in attempt.session.history.calls:
            found = await _read(attempt, key)
            if found is not None:
                recorder = attempt.session.recorder
                recorder.note_call(ExecutionEventType.TASK_CACHE_HIT, attempt.call, recorder.encode_step({"key": key}))
                return found[0]
        value = await body()
        if not attempt.fell_back:
            await _keep(attempt, key, value)
        return value

    return cached


async def cache_key(attempt: Attempted) -> str | None:
    """What a result depends on, as a digest; None when the arguments cannot be told from others with certainty."""
    try:
        arguments = exact_digest([_arguments(attempt), await configs_of(attempt)])
    except (TypeError, ValueError, FluxError):  # a call that will fail by itself, or a function without a signature
        return None
    if arguments is None:
        return None
    task, call = attempt.task, attempt.call
    owners = [fingerprint(type(owner)) for owner in task._bound if not isinstance(owner, type)]
    namespace = attempt.session.workflow.namespace
    parts = (namespace, type_name(task), call.name, fingerprint(task.func), owners, arguments)
    return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _arguments(attempt: Attempted) -> dict[str, Any]:
    """By the names of the parameters, defaults filled in: how a call passes its arguments does not matter.

    What Flux adds (`secrets`, `metadata`) is not among them.
    """
    bound = inspect.signature(attempt.task.func).bind_partial(*attempt.args, **attempt.kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


async def _read(attempt: Attempted, key: str) -> tuple[Any] | None:
    """The value in a tuple, since it may be None. A cache that does not answer, or not legibly, has none."""
    try:
        found = (await attempt.session.ask(Inquiry(InquiryKind.CACHE_READ, (key,)))).get(key)
        return None if found is None else (attempt.session.codec.decode(found),)
    except FluxError:
        return None


async def _keep(attempt: Attempted, key: str, value: Any) -> None:
    session = attempt.session
    kept_for = attempt.task.options.cached_for
    expires_at = None if kept_for is None else session.clock.now() + kept_for
    try:
        payload: Payload = session.codec.encode(value)
        await session.ask(Inquiry(InquiryKind.CACHE_WRITE, (key,), payload, expires_at))
    except FluxError:  # a value that cannot be stored fails as the task's own; a cache that is away does no harm
        return
