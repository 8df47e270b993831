"""Several calls at once: `parallel` starts them together and gives their results in the order of the calls.

    flux exec examples/parallel_calls.py cheapest_offer '"bicycle"'

The three suppliers answer after different times, and the whole takes as long as the slowest of them.
Each answer is recorded when it arrives: if the process dies between two, only the missing one is asked again.
"""

import asyncio
from dataclasses import dataclass

from flux import ExecutionContext, task, workflow
from flux.tasks import parallel

SUPPLIERS = {"north": (0.15, 104.0), "south": (0.05, 99.5), "west": (0.10, 112.0)}


@dataclass(frozen=True)
class Offer:
    """What one supplier asks for an item."""

    supplier: str
    item: str
    price: float


@task
async def ask(supplier: str, item: str) -> Offer:
    """Ask one supplier; a real one would be an HTTP call."""
    seconds, price = SUPPLIERS[supplier]
    await asyncio.sleep(seconds)
    return Offer(supplier, item, price)


@workflow
async def cheapest_offer(ctx: ExecutionContext[str]) -> Offer:
    """Ask every supplier at once and choose the cheapest."""
    offers: list[Offer] = await parallel(*(ask(supplier, ctx.input) for supplier in SUPPLIERS))
    return min(offers, key=lambda offer: offer.price)


if __name__ == "__main__":
    print(cheapest_offer.run("bicycle").output)
