"""Wait for a person: `pause` with a typed form.

    flux exec examples/approval.py expense_claim '{"employee": "Ada", "amount": 840}'

The execution stops at the pause and holds nothing while it waits: no worker slot, no memory, for as long as
it takes. In `flux dev examples` it appears under 2 (Waiting); `r` opens the form made from `Decision`, with
what `output` shows above it. An answer that does not fit is refused field by field, and the execution stays
paused. Without a server the answer is given the same way it began:

    flux exec examples/approval.py expense_claim '{"approve": true, "limit": 500}' --resume ID
"""

from pydantic import BaseModel, Field

from flux import ExecutionContext, task, workflow
from flux.tasks import pause

PETTY_CASH = 50


class Claim(BaseModel):
    """What an employee wants back."""

    employee: str = Field(default="Ada", min_length=1, description="Who paid")
    amount: float = Field(default=840, gt=0, description="How much, in euros")
    purpose: str = Field(default="train tickets", description="What it was for")


class Decision(BaseModel):
    """The form the approver fills in."""

    approve: bool = Field(description="Pay this claim?")
    limit: float | None = Field(default=None, gt=0, description="Pay at most this many euros")
    comment: str = Field(default="", max_length=200, description="Shown to the employee")


@task
async def pay(employee: str, amount: float) -> str:
    """Send the money: recorded once, so it cannot be sent twice."""
    return f"paid {amount:.2f} to {employee}"


@workflow
async def expense_claim(ctx: ExecutionContext[Claim]) -> str:
    """Small claims are paid at once, larger ones after somebody has agreed."""
    claim = ctx.input
    if claim.amount <= PETTY_CASH:
        return await pay(claim.employee, claim.amount)
    decision: Decision = await pause("approval", output=claim, schema=Decision)
    if not decision.approve:
        return f"refused: {decision.comment or 'no reason given'}"
    return await pay(claim.employee, min(claim.amount, decision.limit or claim.amount))


if __name__ == "__main__":
    waiting = expense_claim.run({"employee": "Ada", "amount": 840})
    print(waiting.state, waiting.output)
    print(expense_claim.resume(waiting.execution_id, {"approve": True, "limit": 500}).output)
