"""Parents and children; the tests run them on a server whose worker is embedded, or speaks to it over HTTP."""

import asyncio
import os
from pathlib import Path

from pydantic import BaseModel, Field

from flux import ExecutionContext, call, task, workflow
from flux.errors import ExecutionError
from flux.tasks import parallel, pause


class Order(BaseModel):
    total: int = Field(gt=0)


@task
async def double(number: int) -> int:
    return 2 * number


@workflow
async def twice(ctx: ExecutionContext[int]):
    return await double(ctx.input)


@workflow.with_options(namespace="shop")
async def charge(ctx: ExecutionContext[Order]):
    return f"charged {ctx.input.total}"


@workflow
async def breaks(ctx):
    raise ValueError("no luck")


@workflow
async def asks(ctx: ExecutionContext[str]):
    return [ctx.input, await pause(f"approve-{ctx.input}", output={"for": ctx.input}, schema=Order)]


@workflow
async def endless(ctx):
    try:
        await asyncio.Event().wait()
    finally:
        await double(0)


@task
def dies(path: str) -> str:
    if not Path(path).exists():
        Path(path).touch()
        os._exit(9)
    return "survived"


@workflow
async def fragile(ctx: ExecutionContext[str]):
    return await dies(ctx.input)


@workflow
async def fan_out(ctx: ExecutionContext[int]):
    return await parallel(*(call(twice, number) for number in range(ctx.input)))


@workflow
async def deep(ctx: ExecutionContext[int]):
    return [ctx.input, await call("deep", ctx.input - 1)] if ctx.input else await call(twice, 21)


@workflow
async def calls(ctx: ExecutionContext[list]):
    """Calls what it is told to, with the rest as arguments."""
    ref, *arguments = ctx.input
    return await call(ref, *arguments)


@workflow
async def explains(ctx: ExecutionContext[list]):
    try:
        return await call(*ctx.input)
    except ExecutionError as error:
        return [type(error.inner_exception).__name__, str(error)]


@workflow
async def two_ask(ctx):
    return await parallel(call(asks, "a"), call(asks, "b"))


@workflow
async def sends_off(ctx):
    return await call(twice, 4, mode="async")


@workflow
async def out_of_time(ctx):
    await call(endless, timeout=0.2)
