"""Manifests read from text alone say what importing the file would say, as far as text can tell."""

from __future__ import annotations

import pytest

from flux.catalog.manifest import read_manifest
from flux.domain import Bundle, Module, WorkflowSpec
from flux.engine.loader import load
from flux.engine.manifest import manifest_of
from flux.errors import WorkflowCatalogError

SHOP = '''"""The shop."""
import flux
from flux import ExecutionContext, task as step, workflow
raise_if_imported = 1
NAMESPACE = "shop"


@step
async def load(id: str): ...


@step.with_options(name="charge_card", retry_max_attempts=3)
async def charge(id: str): ...


def helper(): ...


@workflow.with_options(name="order", namespace=NAMESPACE, timeout=60, durability="transient")
async def place_order(ctx: ExecutionContext[str]):
    """Take an order.

    And ship it.
    """


@flux.workflow
async def refund(ctx): ...


async def _sync(ctx): ...


sync = workflow.with_options(namespace="jobs")(_sync)
'''


def read(source: str, path: str = "/srv/shop.py") -> tuple[WorkflowSpec, ...]:
    return read_manifest(Bundle("d", "shop_under_test", {"shop_under_test": Module(path, source)})).workflows


def test_workflows_and_tasks_are_read():
    order, refund, sync = read(SHOP)
    assert order == WorkflowSpec(
        "shop",
        "order",
        "place_order",
        "Take an order.\n\nAnd ship it.",
        line=SHOP.splitlines().index("async def place_order(ctx: ExecutionContext[str]):") + 1,
        tasks=("load", "charge_card"),
        options={"timeout": 60, "durability": "relaxed"},
    )
    assert (str(refund.ref), refund.attribute, refund.description) == ("default/refund", "refund", "")
    assert (str(sync.ref), sync.attribute) == ("jobs/_sync", "sync")


def test_importing_says_the_same():
    bundle = Bundle("d", "shop_under_test", {"shop_under_test": Module("/srv/shop.py", SHOP)})
    imported = manifest_of(load(bundle)).workflows

    def seen(specs):
        return {spec.ref: (spec.description, spec.tasks, spec.line, dict(spec.options)) for spec in specs}

    assert seen(read_manifest(bundle).workflows) == seen(imported)


def test_nothing_is_executed():
    assert len(read(SHOP.replace("raise_if_imported = 1", "raise SystemExit"))) == 3


def test_a_file_without_workflows_has_none():
    assert read("x = 1") == ()


@pytest.mark.parametrize(
    ("decorators", "message"),
    [
        ("@workflow.with_options(name=NAME + 'x')", r"shop\.py:5 .*name of workflow 'f' is computed"),
        ("@workflow.with_options(namespace=compute())", r"shop\.py:5 .*namespace of workflow 'f' is computed"),
        ("@workflow.with_options(name='a b')", r"shop\.py:5 'a b' cannot name a workflow"),
        ("@workflow.with_options(name='run')", r"shop\.py:5 'run' cannot name a workflow"),
        ("@workflow.with_options(name='g')", r"shop\.py:7 Two workflows are named 'default/g' \(also line 5\)"),
    ],
)
def test_what_cannot_be_registered_says_where(decorators, message):
    source = f"from flux import workflow\nNAME = 'x'\n\n{decorators}\nasync def f(ctx): ...\n"
    source += "@workflow\nasync def g(ctx): ..."
    with pytest.raises(WorkflowCatalogError, match=message):
        read(source)


def test_syntax_errors_say_where():
    with pytest.raises(WorkflowCatalogError, match=r"^shop\.py:1 SyntaxError"):
        read("x = (")
