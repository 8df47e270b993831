"""Tests of `approval.py`, as you would write them for workflows of your own.

    cd examples && python -m pytest test_approval.py

The fixture `flux_env` comes with Flux. It runs workflows on a store in memory, so nothing is paid here and
nothing is left behind; see docs/testing.md for all it can do.
"""

import pytest
from approval import Claim, Decision, expense_claim, pay

from flux.errors import InvalidInputError
from flux.testing import FluxEnv

CLAIM = Claim(employee="Grace", amount=840)


def test_petty_cash_is_paid_at_once(flux_env: FluxEnv) -> None:
    run = flux_env.run(expense_claim, {"employee": "Grace", "amount": 12})
    assert run.result() == "paid 12.00 to Grace"
    assert run.events.completed == ["pay"]


def test_a_large_claim_waits_for_a_decision(flux_env: FluxEnv) -> None:
    paid = flux_env.fake(pay, "paid")
    run = flux_env.run(expense_claim, CLAIM)
    assert run.waiting_for == ["approval"]
    assert run.output == CLAIM
    assert paid.calls == []
    assert run.answer(Decision(approve=True, limit=500)).result() == "paid"
    assert paid.calls == [{"employee": "Grace", "amount": 500}]


def test_a_refusal_pays_nothing(flux_env: FluxEnv) -> None:
    paid = flux_env.fake(pay, "paid")
    flux_env.answer("approval", {"approve": False, "comment": "fly economy"})
    assert flux_env.run(expense_claim, CLAIM).result() == "refused: fly economy"
    assert paid.calls == []


def test_a_wrong_decision_is_refused(flux_env: FluxEnv) -> None:
    run = flux_env.run(expense_claim, CLAIM)
    with pytest.raises(InvalidInputError):
        run.answer({"approve": "perhaps", "limit": -1})
    assert run.is_paused


def test_a_crash_anywhere_pays_once(flux_env: FluxEnv) -> None:
    flux_env.answer("approval", {"approve": True})
    whole = flux_env.run(expense_claim, CLAIM)
    for number in range(1, len(whole.events) + 1):
        flux_env.answer("approval", {"approve": True})
        run = flux_env.run(expense_claim, CLAIM, crash_at=number).proceed()
        assert run.result() == "paid 840.00 to Grace"
        assert run.events.of(pay).types == ["TASK_STARTED", "TASK_COMPLETED"]
