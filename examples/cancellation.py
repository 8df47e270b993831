"""Cancel a run and clean up behind it.

    flux exec examples/cancellation.py import_batches '{"batches": 3, "seconds": 0.1}'

In `flux dev examples` run it with its defaults and press `c` while it works. At its next await the body gets
`asyncio.CancelledError`: it may still await and call tasks, here to remove what it has imported, and raises
the error again. The state becomes CANCELLED. The task in flight is stopped as well, and its rollback runs.
"""

import asyncio

from pydantic import BaseModel, Field

from flux import ExecutionContext, task, workflow


class Plan(BaseModel):
    """How much to import."""

    batches: int = Field(default=60, ge=1, le=1000, description="Batches to import")
    seconds: float = Field(default=1, ge=0, description="Seconds for each batch")


async def drop_partial(batch: int, seconds: float) -> None:
    """The rollback of `import_batch`: remove the half that was written."""
    print(f"dropped the part of batch {batch} that was there")


@task.with_options(rollback=drop_partial)
async def import_batch(batch: int, seconds: float) -> int:
    """Import one batch."""
    await asyncio.sleep(seconds)
    return batch


@task
async def remove(batches: list[int]) -> int:
    """Remove batches that were imported."""
    print(f"removed {len(batches)} batches")
    return len(batches)


@workflow
async def import_batches(ctx: ExecutionContext[Plan]) -> int:
    """Import batch after batch, all or nothing."""
    plan = ctx.input
    done: list[int] = []
    try:
        for batch in range(plan.batches):
            done.append(await import_batch(batch, plan.seconds))
    except asyncio.CancelledError:
        await remove(done)
        raise
    return len(done)


if __name__ == "__main__":
    print(import_batches.run({"batches": 3, "seconds": 0.1}).output)
