"""What an imported file offers."""

from __future__ import annotations

import sys

import pytest

from flux.domain import Bundle, Module, WorkflowRef
from flux.engine.loader import load
from flux.engine.manifest import manifest_of, workflows_of
from flux.errors import WorkflowCatalogError

SOURCE = '''from flux import task, workflow
from flux.tasks import sleep
from manifest_parts import helper, shipped


@task
async def charge(amount):
    return amount


@task.with_options(name="refund money")
def refund(amount):
    return -amount


@workflow.with_options(
    name="order",
    namespace="shop",
)
async def place_order(ctx):
    """Charge, then ship."""
    return await charge(1)


same = place_order
'''
PARTS = """from flux import task, workflow

@task
async def helper():
    pass

@workflow
async def shipped(ctx):
    pass
"""


@pytest.fixture(autouse=True)
def _clean_imports():
    finders = list(sys.meta_path)
    yield
    sys.meta_path[:] = finders
    for name in [name for name in sys.modules if name.startswith("manifest_")]:
        del sys.modules[name]


def module_of(source: str):
    modules = {
        "manifest_file": Module("/srv/manifest_file.py", source),
        "manifest_parts": Module("/srv/manifest_parts.py", PARTS),
    }
    return load(Bundle("d", "manifest_file", modules))


def test_workflows_are_found_with_their_place_and_tasks():
    shipped, order = manifest_of(module_of(SOURCE)).workflows
    assert (str(order.ref), order.attribute, order.description) == ("shop/order", "place_order", "Charge, then ship.")
    assert SOURCE.splitlines()[order.line - 1] == "async def place_order(ctx):"
    assert order.tasks == ("charge", "refund money")
    assert (str(shipped.ref), shipped.attribute, shipped.line) == ("default/shipped", "shipped", 0)


def test_workflows_are_found_by_address():
    module = module_of(SOURCE)
    assert workflows_of(module)[WorkflowRef("shop", "order")] is module.place_order


def test_a_file_without_workflows_is_empty():
    assert manifest_of(module_of("x = 1\n")).workflows == ()


def test_two_workflows_of_one_name_are_refused():
    source = "from flux import workflow\nfrom manifest_parts import shipped\n@workflow.with_options(name='shipped')\n"
    with pytest.raises(WorkflowCatalogError) as caught:
        manifest_of(module_of(source + "async def mine(ctx):\n    pass\n"))
    assert str(caught.value) == (
        "Two workflows are named 'default/shipped': "
        "shipped (/srv/manifest_parts.py:8) and mine (/srv/manifest_file.py:4)."
    )
