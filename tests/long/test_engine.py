"""5,000 steps of the state machine of `tests/property` or more, until every rule and every transition was hit.

    python -m pytest tests/long -s -o faulthandler_timeout=0

prints how often each of them was.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from flux.domain import transitions
from tests.property.machine import RULES, Engine, passed, rules

STEPS = 5_000
PATIENCE = 8
"""Times `STEPS` after which what was not hit counts as missed."""


def missed() -> list[object]:
    """Rules and transitions that have not been hit yet."""
    pairs = [pair for pair in transitions._TABLE if not passed[pair]]
    ends = [event for event in transitions._FROM_ANY_LIVE if not any(passed[one] for one in passed if one[1] is event)]
    return [*(name for name in RULES if not rules[name]), *pairs, *ends]


def show() -> None:
    """The counts."""
    print(f"\n{sum(rules.values())} steps")
    for name, count in sorted(rules.items()):
        print(f"{count:7} {name}")
    print("\nEvents of the workflow's own, by the state they met")
    for (state, event), count in sorted(passed.items()):
        after = transitions.next_state(state, event)
        print(f"{count:7} {state} + {event}{'' if after is state else f' → {after}'}")


def test_many_steps() -> None:
    while (done := sum(rules.values())) < STEPS or (missed() and done < PATIENCE * STEPS):
        run_state_machine_as_test(
            Engine,
            settings=settings(
                max_examples=50,
                stateful_step_count=40,
                deadline=None,
                database=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
    show()
    assert not missed()
