"""`flux init`: a small project that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flux.cli.options import example, new_app
from flux.cli.render import put, talk

app = new_app("Write a small project that runs.")

WORKFLOW = '''"""An order: charge the card, ask a person about large amounts, ship."""

from pydantic import BaseModel, Field

from flux import ExecutionContext, task, workflow
from flux.tasks import pause


class Order(BaseModel):
    """What the workflow takes."""

    item: str = "teapot"
    amount: float = Field(default=120, gt=0)


class Approval(BaseModel):
    """What a person answers; the dashboard makes a form of it."""

    approved: bool = Field(description="Ship this order?")
    note: str = ""


@task.with_options(retry_max_attempts=2)
async def charge(order: Order) -> str:
    """Runs once for each order, whatever crashes: its result is recorded."""
    return f"charged {order.amount:.2f} for {order.item}"


@task
async def ship(item: str) -> str:
    """Another durable step."""
    return f"{item} is on its way"


@workflow
async def order(ctx: ExecutionContext[Order]) -> str:
    """Small orders go through, large ones wait for somebody to approve them."""
    request = ctx.input or Order()
    receipt = await charge(request)
    if request.amount >= 100:
        answer: Approval = await pause("approval", output=request, schema=Approval)
        if not answer.approved:
            return f"{receipt}, then refused: {answer.note or 'no reason given'}"
    return f"{receipt}, {await ship(request.item)}"
'''

TEST = '''"""Run with `python -m pytest`, after `pip install pytest`."""

from orders import order


def test_small_orders_go_through():
    ctx = order.run({"item": "cup", "amount": 5})
    assert ctx.has_succeeded
    assert ctx.output == "charged 5.00 for cup, cup is on its way"


def test_large_orders_wait_for_an_approval():
    ctx = order.run({"item": "teapot", "amount": 120})
    assert ctx.is_paused
    ctx = order.resume(ctx.execution_id, {"approved": False, "note": "too dear"})
    assert ctx.output == "charged 120.00 for teapot, then refused: too dear"
'''

SETTINGS = """# Settings of this project; `flux config show --origin` lists all of them.
[flux]
log_level = "INFO"
"""

README = """# {name}

    flux dev                                        # a dashboard; edit orders.py while it runs
    flux exec orders.py order '{{"amount": 5}}'       # run once, without a server

Its tests need pytest:

    pip install pytest
    python -m pytest

With `flux dev` running, from another terminal:

    flux workflow run order '{{"item": "teapot", "amount": 120}}'
    flux execution list

The large order is paused: answer it in the dashboard under 2 (Waiting), or with
`flux workflow resume order ID '{{"approved": true}}'`.
"""


def files(name: str) -> dict[str, str]:
    """The project's files by relative path."""
    return {
        "orders.py": WORKFLOW,
        "test_orders.py": TEST,
        "flux.toml": SETTINGS,
        "README.md": README.format(name=name),
    }


@app.command("init", epilog=example("flux init my-project", "cd my-project && flux dev"))
def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where; made if need be.")] = Path(),
) -> None:
    """Write a small project that runs: a workflow with a typed pause, a test, settings, a README.

    Files that exist are left as they are.
    """
    from flux.errors import UsageError

    try:
        directory.mkdir(parents=True, exist_ok=True)
        written = [_write(directory / path, text) for path, text in files(directory.resolve().name).items()]
    except OSError as error:
        raise UsageError(f"Cannot write to '{directory}': {error.strerror}.") from error
    for path, is_new in written:
        put(f"{'wrote' if is_new else 'kept '}  {path}")
    talk("\nNext:")
    if directory != Path():
        talk(f"  cd {directory}")
    talk("  flux dev")


def _write(path: Path, text: str) -> tuple[Path, bool]:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return path, False
    return path, True
