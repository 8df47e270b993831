"""A workflow that calls another one: `call` runs it as an execution of its own.

    flux exec examples/child_workflows.py hire '{"name": "Ada", "role": "engineer"}'

`hire` calls `background_check` and `equipment` side by side. Both have ids and histories of their own; in
`flux dev examples` Enter on the event that starts one goes there. Equipment above the budget needs a yes:
then the child is paused, and its parent with it, and an answer to either goes to the child:

    flux exec examples/child_workflows.py hire 'true' --resume ID

A role that nobody may hire for fails its child, which the parent catches.
"""

from pydantic import BaseModel, Field

from flux import ExecutionContext, call, task, workflow
from flux.errors import ExecutionError
from flux.tasks import parallel, pause

BUDGET = 2000
PRICES = {"engineer": 2600, "writer": 1400}


class Candidate(BaseModel):
    """Whom to hire, and as what."""

    name: str = Field(default="Ada", min_length=1)
    role: str = Field(default="engineer", description="engineer, writer, or something else")


class Equipment(BaseModel):
    """What a desk may cost."""

    role: str
    price: int = Field(gt=0, description="In euros")


@task
async def look_up(name: str) -> str:
    """Ask the archive; a real one would be an HTTP call."""
    return f"nothing against {name}"


@task
async def purchase(role: str, price: int) -> str:
    """Buy the desk, once."""
    return f"a desk for the {role}, {price} euros"


@workflow
async def background_check(ctx: ExecutionContext[Candidate]) -> str:
    """Refuses roles that are not open."""
    if ctx.input.role not in PRICES:
        raise ValueError(f"nobody hires a {ctx.input.role}")
    return await look_up(ctx.input.name)


@workflow
async def equipment(ctx: ExecutionContext[Equipment]) -> str:
    """Buys at once what is within the budget; asks for the rest."""
    wanted = ctx.input
    if wanted.price > BUDGET and not await pause("over budget", output=wanted, schema={"type": "boolean"}):
        return "a kitchen table"
    return await purchase(wanted.role, wanted.price)


@workflow
async def hire(ctx: ExecutionContext[Candidate]) -> dict[str, str]:
    """Both children run at the same time; the parent holds no worker meanwhile."""
    role = ctx.input.role
    try:
        checked, bought = await parallel(
            call(background_check, ctx.input),
            call("default/equipment", {"role": role, "price": PRICES.get(role, 900)}),
        )
    except ExecutionError as error:
        return {"refused": str(error.inner_exception)}
    return {"check": checked, "equipment": bought}


if __name__ == "__main__":
    waiting = hire.run({"name": "Ada", "role": "engineer"})
    print(waiting.state, waiting.output)
    print(hire.resume(waiting.execution_id, True).output)
