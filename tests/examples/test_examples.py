"""Every example runs here and now, gives what its docstring says, and records what happened."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flux import ExecutionContext
from flux.config_manager import ConfigManager
from flux.errors import ExecutionError, InvalidInputError
from flux.secret_managers import SecretManager

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
Load = Callable[[str], ModuleType]


def types(ctx: ExecutionContext[Any], name: str | None = None) -> list[str]:
    """The types of the events, of one task or of all."""
    return [str(event.type) for event in ctx.events if name is None or event.name == name]


def test_hello_world_records_one_task(example: Load) -> None:
    ctx = example("hello_world").hello_world.run("Ada")
    assert ctx.output == "Hello, Ada"
    assert types(ctx) == ["WORKFLOW_STARTED", "TASK_STARTED", "TASK_COMPLETED", "WORKFLOW_COMPLETED"]
    assert [event.seq for event in ctx.events] == [1, 2, 3, 4]


def test_hello_world_needs_a_name(example: Load) -> None:
    with pytest.raises(InvalidInputError):
        example("hello_world").hello_world.run()


def test_parallel_calls_keep_the_order_of_the_calls(example: Load) -> None:
    module = example("parallel_calls")
    ctx = module.cheapest_offer.run("bicycle")
    assert ctx.output == module.Offer("south", "bicycle", 99.5)
    assert types(ctx, "ask").count("TASK_COMPLETED") == 3
    finished = [event.value.supplier for event in ctx.events if event.name == "ask" and event.type == "TASK_COMPLETED"]
    assert sorted(finished) == ["north", "south", "west"]


def test_pipeline_steps_hand_results_on(example: Load) -> None:
    ctx = example("pipeline_steps").word_counts.run("To be, or not to be")
    assert ctx.output == {"to": 2, "be": 2, "or": 1, "not": 1}
    completed = [event.name for event in ctx.events if event.type == "TASK_COMPLETED"]
    assert [name for name in completed if name != "pipeline"] == ["normalise", "split", "count"]


def test_receipts_are_signed_with_a_key_that_nobody_sees(example: Load) -> None:
    module = example("signed_receipts")
    sale = {"order": "A-17", "total": 118}
    assert module.receipt.run(sale).output == {"text": "Receipt for order A-17: 118.00", "signature": "unsigned"}
    SecretManager.current().save("SIGNING_KEY", "correct-horse-battery")
    ConfigManager.current().save("shop", {"name": "Bikes & Sons"})
    ctx = module.receipt.run(sale)
    assert ctx.output["text"] == "Bikes & Sons: receipt for order A-17: 118.00"
    assert ctx.output["signature"] != "unsigned"
    assert "correct-horse" not in ctx.to_json()
    shown = {event["name"]: event["value"] for event in ctx.to_dict()["events"] if event["type"] == "TASK_COMPLETED"}
    assert shown["careless"] == "•••"


def test_map_items_keep_the_order_of_the_items(example: Load) -> None:
    ctx = example("map_items").prime_factors.run([12, 97, 1001])
    assert ctx.output == {"12": [2, 2, 3], "97": [97], "1001": [7, 11, 13]}
    assert types(ctx, "factorise").count("TASK_COMPLETED") == 3


def test_map_items_fail_with_the_original_error(example: Load) -> None:
    ctx = example("map_items").prime_factors.run([12, 1])
    assert ctx.has_failed
    assert isinstance(ctx.output, ExecutionError)
    assert "1 has no prime factors" in str(ctx.output)


def test_retries_then_fallback_then_payment(example: Load) -> None:
    ctx = example("retries").place_order.run({"item": "bicycle", "weight": 12})
    assert ctx.output == {"payment": "paid 99.50 for the bicycle", "shipping": "sent the bicycle"}
    assert types(ctx, "live_price") == [
        "TASK_STARTED",
        "TASK_RETRY_FAILED",
        "TASK_RETRY_STARTED",
        "TASK_RETRY_FAILED",
        "TASK_RETRY_STARTED",
        "TASK_RETRY_FAILED",
        "TASK_FALLBACK_STARTED",
        "TASK_FALLBACK_COMPLETED",
        "TASK_COMPLETED",
    ]
    assert types(ctx, "take_payment")[-2:] == ["TASK_RETRY_COMPLETED", "TASK_COMPLETED"]


def test_retries_roll_back_what_cannot_be_sent(example: Load, capsys: pytest.CaptureFixture[str]) -> None:
    ctx = example("retries").place_order.run({"item": "anvil", "weight": 80})
    assert ctx.has_succeeded
    assert ctx.output["shipping"] == "not sent: 80 kg is more than a carrier takes"
    assert "released the parcel with the anvil" in capsys.readouterr().out
    assert types(ctx, "ship") == [
        "TASK_STARTED",
        "TASK_GIVEN_UP",
        "TASK_ROLLBACK_STARTED",
        "TASK_ROLLBACK_COMPLETED",
        "TASK_FAILED",
    ]


def test_retries_refuse_a_wrong_order_before_anything_runs(example: Load) -> None:
    with pytest.raises(InvalidInputError) as caught:
        example("retries").place_order.run({"item": "feather", "weight": 0})
    assert [error["loc"][-1] for error in caught.value.errors] == ["weight"]


def test_approval_waits_and_goes_on_with_the_answer(example: Load) -> None:
    claims = example("approval")
    waiting = claims.expense_claim.run({"employee": "Ada", "amount": 840})
    assert waiting.is_paused
    assert waiting.output == claims.Claim(employee="Ada", amount=840)
    assert types(waiting)[-1] == "WORKFLOW_PAUSED"
    done = claims.expense_claim.resume(waiting.execution_id, {"approve": True, "limit": 500})
    assert done.output == "paid 500.00 to Ada"
    assert types(done, "pay") == ["TASK_STARTED", "TASK_COMPLETED"]
    assert types(done)[: len(waiting.events)] == types(waiting)


def test_approval_stays_paused_after_a_wrong_answer(example: Load) -> None:
    claim = example("approval").expense_claim
    waiting = claim.run({"employee": "Ada", "amount": 840})
    with pytest.raises(InvalidInputError) as caught:
        claim.resume(waiting.execution_id, {"approve": "perhaps", "limit": -1})
    assert sorted(error["loc"][-1] for error in caught.value.errors) == ["approve", "limit"]
    refused = claim.resume(waiting.execution_id, {"approve": False, "comment": "no receipt"})
    assert refused.output == "refused: no receipt"


def test_approval_pays_small_claims_at_once(example: Load) -> None:
    ctx = example("approval").expense_claim.run({"employee": "Ada", "amount": 12.5})
    assert ctx.output == "paid 12.50 to Ada"
    assert "WORKFLOW_PAUSED" not in types(ctx)


def test_child_workflows_run_side_by_side(example: Load) -> None:
    ctx = example("child_workflows").hire.run({"name": "Bo", "role": "writer"})
    assert ctx.output == {"check": "nothing against Bo", "equipment": "a desk for the writer, 1400 euros"}
    calls = [event.name for event in ctx.events if event.type == "TASK_WAITING"]
    assert calls == ["call_workflow_default/background_check", "call_workflow_default/equipment"]
    assert types(ctx).count("TASK_CHILD_COMPLETED") == 2


def test_a_paused_child_pauses_its_parent(example: Load) -> None:
    module = example("child_workflows")
    waiting = module.hire.run({"name": "Ada", "role": "engineer"})
    assert waiting.is_paused
    assert waiting.output == module.Equipment(role="engineer", price=2600)
    with pytest.raises(InvalidInputError):
        module.hire.resume(waiting.execution_id, "perhaps")
    done = module.hire.resume(waiting.execution_id, False)
    assert done.output["equipment"] == "a kitchen table"


def test_a_parent_catches_the_failure_of_its_child(example: Load) -> None:
    ctx = example("child_workflows").hire.run({"name": "Zoe", "role": "astrologer"})
    assert ctx.output == {"refused": "nobody hires a astrologer"}
    assert "TASK_CHILD_FAILED" in types(ctx)


def test_cancellation_imports_everything_when_nobody_cancels(example: Load) -> None:
    ctx = example("cancellation").import_batches.run({"batches": 3, "seconds": 0})
    assert ctx.output == 3
    assert types(ctx, "import_batch").count("TASK_COMPLETED") == 3


def test_a_script_with_a_home_that_cannot_be_made_ends_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, EXAMPLES / "hello_world.py"],
        cwd=tmp_path,
        env={**os.environ, "FLUX_HOME": str(tmp_path / "file" / "home")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    last = done.stderr.splitlines()[-2:]
    assert last[0].startswith("flux.errors.ConfigurationError: The home ")
    assert last[0].endswith("cannot be used: Not a directory.")
    assert last[1].startswith("Set FLUX_HOME to a folder")
    assert done.stderr.count("Traceback") == 1
    assert "asyncio" not in done.stderr


def test_the_tests_of_an_example_pass() -> None:
    # The plug-in by its module: it is there once, however Flux is installed here.
    plugin = ["-p", "no:flux", "-p", "flux.testing.plugin", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", *plugin, "test_approval.py"]
    done = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


WORKFLOWS = [path for path in sorted(EXAMPLES.glob("*.py")) if not path.name.startswith("test_")]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_docstring_names_the_idea_and_a_command_that_exists(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    text = ast.get_docstring(tree) or ""
    commands = [line.split() for line in text.splitlines() if line.strip().startswith("flux exec ")]
    functions = {node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)}
    assert commands, "says how to run it"
    for _, _, file, workflow, *_ in commands:
        assert file == f"examples/{path.name}"
        assert workflow in functions
