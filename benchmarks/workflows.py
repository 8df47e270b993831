"""The workflows that the benchmarks run."""

from __future__ import annotations

from flux import ExecutionContext, task, workflow
from flux.tasks import pause


@task
async def step(number: int) -> int:
    """A task that does nothing, so that only the engine is measured."""
    return number


@workflow
async def sequential(ctx: ExecutionContext[int]) -> int:
    """So many tasks, one after another."""
    total = 0
    for number in range(ctx.input):
        total += await step(number)
    return total


@workflow
async def fan_out(ctx: ExecutionContext[int]) -> int:
    """So many tasks at once."""
    return sum(await step.map(range(ctx.input)))


@workflow
async def paused_after(ctx: ExecutionContext[int]) -> int:
    """So many tasks, then a pause, then the answer."""
    for number in range(ctx.input):
        await step(number)
    answer: int = await pause("go")
    return answer
