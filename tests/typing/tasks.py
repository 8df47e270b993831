"""What type checkers see of tasks; `test_typing.py` has mypy read this."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import assert_type

from flux import ExecutionContext, TaskMetadata, task, workflow
from flux.engine.workflow import Workflow
from flux.tasks import parallel


@task
async def fetch(url: str, tries: int = 3) -> bytes:
    return url.encode() * tries


@task
def parse(text: bytes) -> dict[str, int]:
    return {text.decode(): 1}


@task.with_options(name="load_{table}", retry_max_attempts=3, timeout=10, cache=timedelta(hours=1))
async def load(table: str) -> list[int]:
    return [len(table)]


@task.with_options(fallback=lambda: 0)
def count(rows: list[int]) -> int:
    return len(rows)


@task.with_options(metadata=True, secret_requests=["KEY"])
async def charge(amount: float, metadata: TaskMetadata, secrets: dict[str, str]) -> str:
    return f"{amount}{metadata.task_id}{secrets}"


@dataclass
class Shop:
    name: str

    @task.with_options(name="sell_{self.name}")
    async def sell(self, item: str) -> float:
        return float(len(item))

    @staticmethod
    @task
    def price(item: str) -> float:
        return float(len(item))


@workflow
async def everything(ctx: ExecutionContext[str]) -> int:
    assert_type(await fetch(ctx.input), bytes)
    assert_type(await parse(b""), dict[str, int])
    assert_type(await load(ctx.input), list[int])
    assert_type(await count([1]), int)
    assert_type(await charge(9.5), str)
    assert_type(await Shop("s").sell("lamp"), float)
    assert_type(await Shop.price("lamp"), float)
    assert_type(await fetch.with_options(timeout=5, fallback=None)("u", tries=1), bytes)
    assert_type(await parse.map([b"a"], max_concurrent=2), list[dict[str, int]])
    assert_type(await fetch.starmap([("a", 1)]), list[bytes])
    await parallel(fetch("a"), count([]))
    return 1


@workflow.with_options(name="other", namespace="shop", timeout=5, durability="relaxed")
async def other(ctx: ExecutionContext[int]) -> list[str]:
    return [str(ctx.input)]


def run() -> None:
    assert_type(everything, Workflow[str, int])
    assert_type(other, Workflow[int, list[str]])
    workflow.with_options(duration=5)  # type: ignore[call-arg]
    workflow.with_options(durability="strong")  # type: ignore[arg-type]


async def wrong(urls: Iterable[str]) -> None:
    await fetch(1)  # type: ignore[arg-type]
    await load("t", 2)  # type: ignore[call-arg]
    await Shop("s").sell(2)  # type: ignore[arg-type]
    await fetch.with_options(timeout="5")("u")  # type: ignore[arg-type]
    await fetch.with_options(tiemout=5)("u")  # type: ignore[call-arg]
    task.with_options(tiemout=5)  # type: ignore[call-overload]
    task.with_options(retry_max_attempts="3")  # type: ignore[call-overload]
