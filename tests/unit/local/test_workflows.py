"""Registered workflows for scripts."""

from __future__ import annotations

import pytest

from flux import WorkflowCatalog
from flux.engine.source import SourceError
from flux.errors import VersionNotFoundError, WorkflowCatalogError, WorkflowNotFoundError

SOURCE = b'''
from flux import task, workflow

@task
async def step(): ...

@workflow
async def hello(ctx):
    """Greets."""

@workflow.with_options(namespace="shop", name="order")
async def place(ctx): ...
'''


@pytest.fixture
def catalog(tmp_path, monkeypatch):
    monkeypatch.setenv("FLUX_HOME", str(tmp_path))
    return WorkflowCatalog.create()


def test_sources_are_read_and_not_executed(catalog):
    hello, order = catalog.parse(SOURCE + b"raise SystemExit('executed')\n")
    assert (hello.qualified_name, order.qualified_name) == ("default/hello", "shop/order")
    assert (hello.version, hello.id) == (0, "default/hello/0")
    assert hello.metadata == {"task_names": ["step"], "description": "Greets."}


def test_saved_workflows_are_found_with_their_versions(catalog):
    assert [one.version for one in catalog.save(catalog.parse(SOURCE))] == [1, 1]
    assert [one.version for one in catalog.save(catalog.parse(SOURCE))] == [1, 1]
    catalog.save(catalog.parse(SOURCE.replace(b"Greets", b"Greets again"))[:1])
    assert catalog.get("default", "hello").version == 2
    assert catalog.get("default", "hello", 1).source == SOURCE
    assert [one.id for one in catalog.all()] == ["default/hello/2", "shop/order/1"]
    assert [one.id for one in catalog.all("shop")] == ["shop/order/1"]


def test_what_is_not_there_says_so(catalog):
    with pytest.raises(WorkflowNotFoundError):
        catalog.get("default", "hello")
    catalog.save(catalog.parse(SOURCE))
    with pytest.raises(VersionNotFoundError):
        catalog.get("default", "hello", 7)


def test_sources_without_a_workflow_are_refused(catalog):
    with pytest.raises(WorkflowCatalogError, match=r"workflow\.py defines no workflow"):
        catalog.parse(b"x = 1")
    with pytest.raises(SourceError):
        catalog.parse(b"x = (")
