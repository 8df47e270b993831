"""What happens when a task fails: retry, then fallback, then rollback.

    flux exec examples/retries.py place_order '{"item": "bicycle", "weight": 12}'
    flux exec examples/retries.py place_order '{"item": "anvil", "weight": 80}'

- `take_payment` fails twice and succeeds at its third attempt: `retry_max_attempts` is enough.
- `live_price` never succeeds: after its retries the `fallback` answers in its place.
- `ship` refuses heavy parcels: there is nothing to fall back to, so its `rollback` undoes what it began,
  and the workflow sees an `ExecutionError` whose `inner_exception` is the one that `ship` raised.

Every attempt is an event of the execution: the dashboard shows them under the task.
"""

from collections import Counter

from pydantic import BaseModel, Field

from flux import ExecutionContext, task, workflow
from flux.errors import ExecutionError

PRICES = {"bicycle": 99.5, "anvil": 310.0}
attempts: Counter[str] = Counter()


class Order(BaseModel):
    """What is ordered."""

    item: str = Field(default="bicycle", description="What to send")
    weight: float = Field(default=12, gt=0, description="Weight of the parcel in kilograms")


class TooHeavy(Exception):
    """No carrier takes the parcel."""


async def list_price(item: str) -> float:
    """The fallback of `live_price`; it gets the same arguments."""
    return PRICES.get(item, 50.0)


async def release_parcel(item: str, weight: float) -> None:
    """The rollback of `ship`: hand back what was reserved."""
    print(f"released the parcel with the {item}")


@task.with_options(retry_max_attempts=2, retry_delay=0.05, fallback=list_price)
async def live_price(item: str) -> float:
    """Ask a price service that is always down."""
    raise ConnectionError("the price service does not answer")


@task.with_options(retry_max_attempts=3, retry_delay=0.05, retry_backoff=2)
async def take_payment(item: str, amount: float) -> str:
    """Fail twice, as a busy payment service would, then succeed."""
    attempts[item] += 1
    if attempts[item] < 3:
        raise TimeoutError(f"the bank is busy (attempt {attempts[item]})")
    del attempts[item]
    return f"paid {amount:.2f} for the {item}"


@task.with_options(rollback=release_parcel)
async def ship(item: str, weight: float) -> str:
    """Hand the parcel to a carrier."""
    if weight > 30:
        raise TooHeavy(f"{weight:g} kg is more than a carrier takes")
    return f"sent the {item}"


@workflow
async def place_order(ctx: ExecutionContext[Order]) -> dict[str, str]:
    """Price it, take the money, send it."""
    order = ctx.input
    price = await live_price(order.item)
    payment = await take_payment(order.item, price)
    try:
        shipping = await ship(order.item, order.weight)
    except ExecutionError as error:
        shipping = f"not sent: {error.inner_exception}"
    return {"payment": payment, "shipping": shipping}


if __name__ == "__main__":
    print(place_order.run({"item": "anvil", "weight": 80}).output)
