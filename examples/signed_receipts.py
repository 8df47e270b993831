"""Secrets and configs: what a task needs, and what nobody should find in a log.

    flux exec examples/signed_receipts.py receipt '{"order": "A-17", "total": 118}'

prints an unsigned receipt: nothing is kept yet, so `sign` fails and its `fallback` answers. Then keep a key and a name,
and run it again:

    flux secrets set SIGNING_KEY correct-horse-battery
    flux configs set shop '{"name": "Bikes & Sons"}'

- `sign` asks for the key with `secret_requests` and gets it as `secrets`; it is in no event.
- `letterhead` asks for the shop with `config_requests` and gets it as `config`.
- `careless` returns the key. What is stored of that is encrypted, and shown as `•••`.
"""

import hashlib
import hmac
from typing import Any

from pydantic import BaseModel, Field

from flux import ExecutionContext, task, workflow


class Sale(BaseModel):
    """What was sold."""

    order: str = Field(default="A-17", description="Number of the order")
    total: float = Field(default=118, gt=0, description="Amount to pay")


async def unsigned(text: str) -> str:
    """The fallback of `sign`: there is no key."""
    return "unsigned"


@task.with_options(secret_requests=["SIGNING_KEY"], fallback=unsigned)
async def sign(text: str, *, secrets: dict[str, str]) -> str:
    """Sign a text with the shop's key."""
    return hmac.new(secrets["SIGNING_KEY"].encode(), text.encode(), hashlib.sha256).hexdigest()[:16]


async def plain_letterhead() -> str:
    """The fallback of `letterhead`: the shop has no name yet."""
    return "Receipt"


@task.with_options(config_requests=["shop"], fallback=plain_letterhead)
async def letterhead(*, config: dict[str, Any]) -> str:
    """The first line of a receipt."""
    return f"{config['shop']['name']}: receipt"


async def nothing() -> None:
    """The fallback of `careless`."""


@task.with_options(secret_requests=["SIGNING_KEY"], fallback=nothing)
async def careless(*, secrets: dict[str, str]) -> str:
    """Return the key, which no task should."""
    return secrets["SIGNING_KEY"]


@workflow
async def receipt(ctx: ExecutionContext[Sale]) -> dict[str, str]:
    """Write a receipt and sign it."""
    sale = ctx.input
    text = f"{await letterhead()} for order {sale.order}: {sale.total:.2f}"
    await careless()
    return {"text": text, "signature": await sign(text)}


if __name__ == "__main__":
    print(receipt.run({"order": "A-17", "total": 118}).output)
