"""Ways to combine tasks: side by side, and one after the other."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from flux.engine.builtin import perform, value_of
from flux.engine.calls import caller_location
from flux.errors import UsageError


async def parallel(
    *awaitables: Awaitable[Any], max_concurrent: int | None = None, raise_on_error: bool = True
) -> list[Any]:
    """Await all at once; results in the order of the arguments.

    When one fails its siblings get 2 s to finish, then they are cancelled and the first failure is raised.

    Args:
        max_concurrent: how many run at once; None for all. The others begin as places become free.
        raise_on_error: False puts None in the failed slots instead of raising.

    Raises `UsageError` for what cannot be awaited: a task that is named and not called, for instance.

    Example:
        >>> async def body(ctx):
        ...     return await parallel(fetch("a"), fetch("b"))
    """

    async def body() -> list[Any]:
        from flux.engine.branches import run_branches  # only what runs needs asyncio

        branches = [_once(awaitable) for awaitable in awaitables]
        return await run_branches("branch", branches, max_concurrent=max_concurrent, raise_on_error=raise_on_error)

    try:
        for awaitable in awaitables:
            _check(awaitable)
        results: list[Any] = await perform("parallel", (len(awaitables),), {}, body, caller_location())
        return results
    finally:
        for awaitable in awaitables:
            _discard(awaitable)


def _check(awaitable: Any) -> None:
    if not inspect.isawaitable(awaitable):
        raise UsageError(
            f"`parallel` cannot await {awaitable!r}.", hint="Call each task: `parallel(fetch(1), fetch(2))`."
        )


def _once(awaitable: Awaitable[Any]) -> Callable[[], Awaitable[Any]]:
    return lambda: awaitable


def _discard(awaitable: Any) -> None:
    """Close a coroutine that replay has not needed, so that Python does not warn of it."""
    if hasattr(awaitable, "close") and not getattr(awaitable, "cr_running", False):
        awaitable.close()


async def pipeline(*tasks: Callable[[Any], Any], input: Any = None) -> Any:
    """Call tasks one after the other, each with the output of the one before; the last output.

    Plain functions may stand among them; what they do is not recorded.

    Example:
        >>> async def body(ctx):
        ...     return await pipeline(load, clean, save, input="orders.csv")
    """

    async def body() -> Any:
        value = input
        for step in tasks:
            value = await value_of(step(value))
        return value

    names = [getattr(step, "name", getattr(step, "__name__", "step")) for step in tasks]
    return await perform("pipeline", (names, input), {"tasks": names, "input": input}, body, caller_location())
