"""One workflow for each way an execution can go; the tests run them here and on a server."""

import asyncio
import os
from pathlib import Path

from flux import ExecutionContext, call, task, workflow
from flux.tasks import parallel, pause


@task
async def greet(name: str) -> str:
    return f"Hello, {name}"


@task
async def broken(name: str) -> str:
    raise ValueError(name)


def instead(name: str) -> str:
    return f"instead of {name}"


def undo(name: str) -> None:
    pass


RETRIED = {"retry_max_attempts": 2, "retry_delay": 0.01}


@task.with_options(retry_max_attempts=3, retry_delay=0.01)
def third_time_lucky(marks: str) -> str:
    mark = Path(marks)
    mark.write_text(f"{mark.read_text()}x" if mark.exists() else "x")
    if len(mark.read_text()) < 3:
        raise OSError("not yet")
    return "lucky"


@task.with_options(timeout=0.05)
async def slow(name: str) -> None:
    await asyncio.Event().wait()


@task
async def outer(name: str) -> str:
    return await greet(name)


@task.with_options(rollback=undo)
async def endless(name: str) -> None:
    await asyncio.sleep(600)


@task
def dies_once(marks: str) -> str:
    mark = Path(marks)
    if not mark.exists():
        mark.touch()
        os._exit(9)
    return "survived"


@workflow
async def simple(ctx: ExecutionContext[str]):
    return await greet(ctx.input)


@workflow
async def fail(ctx: ExecutionContext[str]):
    return await broken(ctx.input)


@workflow
async def retry_then_ok(ctx: ExecutionContext[str]):
    return await third_time_lucky(ctx.input)


@workflow
async def retry_then_fallback(ctx: ExecutionContext[str]):
    return await broken.with_options(**RETRIED, fallback=instead)(ctx.input)


@workflow
async def fallback_fails(ctx: ExecutionContext[str]):
    return await broken.with_options(fallback=broken.func)(ctx.input)


@workflow
async def rollback(ctx: ExecutionContext[str]):
    return await broken.with_options(rollback=undo)(ctx.input)


@workflow
async def retry_then_rollback(ctx: ExecutionContext[str]):
    return await broken.with_options(retry_max_attempts=1, retry_delay=0.01, rollback=undo)(ctx.input)


@workflow
async def rollback_fails(ctx: ExecutionContext[str]):
    return await broken.with_options(rollback=broken.func)(ctx.input)


@workflow
async def timeout(ctx: ExecutionContext[str]):
    await slow(ctx.input)


@workflow
async def nested(ctx: ExecutionContext[str]):
    return await outer(ctx.input)


@workflow
async def in_parallel(ctx: ExecutionContext[str]):
    return await parallel(greet(ctx.input), greet(ctx.input))


@workflow
async def parallel_fails(ctx: ExecutionContext[str]):
    return await parallel(broken(ctx.input), greet(ctx.input))


@workflow
async def pauses(ctx: ExecutionContext[str]):
    before = await greet(ctx.input)
    answer = await pause("approval", output=before)
    return [answer, await greet("again")]


@task
async def asks(name: str):
    return await pause("approval")


@workflow
async def pauses_in_a_task(ctx: ExecutionContext[str]):
    return await asks(ctx.input)


@workflow
async def crashes(ctx: ExecutionContext[str]):
    return [await greet("before"), await dies_once(ctx.input), await greet("after")]


@workflow
async def cancelled(ctx: ExecutionContext[str]):
    await greet(ctx.input)
    await endless(ctx.input)


@workflow
async def cancelled_while_it_waits(ctx: ExecutionContext[str]):
    await pause("approval")


@workflow
async def calls(ctx: ExecutionContext[str]):
    return [await call(simple, ctx.input), await greet("again")]
