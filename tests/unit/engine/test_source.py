"""Bundles: what belongs to a version, and when two are the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from flux.engine.source import SourceError, bundle_of, collect
from flux.errors import WorkflowCatalogError

ROOT = Path("/p")


def bundle(files: dict[str, str], entry: str, root: Path = ROOT, roots=()):
    return collect(root / entry, {root / name: text for name, text in files.items()}.get, roots)


def names(files: dict[str, str], entry: str, **more) -> list[str]:
    return sorted(bundle(files, entry, **more).modules)


def test_siblings_are_followed_transitively_and_from_inside_functions():
    files = {
        "shop.py": "def f():\n    from rates import vat",
        "rates.py": "import tables",
        "tables.py": "",
        "other.py": "",
    }
    assert names(files, "shop.py") == ["rates", "shop", "tables"]


def test_packages_bring_their_inits_and_relative_imports_work():
    files = {
        "app/__init__.py": "",
        "app/flows.py": "from .steps import load\nfrom . import names",
        "app/steps/__init__.py": "from .load import load",
        "app/steps/load.py": "from ..names import X",
        "app/names.py": "X = 1",
    }
    found = bundle(files, "app/flows.py")
    assert found.entry == "app.flows"
    assert sorted(found.modules) == ["app", "app.flows", "app.names", "app.steps", "app.steps.load"]
    assert found.modules["app.steps"].package
    assert not found.modules["app.flows"].package


def test_what_the_inits_around_the_entry_import_belongs_to_it():
    files = {"app/__init__.py": "from app.settings import X", "app/flows.py": "", "app/settings.py": ""}
    assert names(files, "app/flows.py") == ["app", "app.flows", "app.settings"]


def test_an_entry_in_a_package_reaches_the_folder_above_it():
    files = {
        "app/__init__.py": "",
        "app/flows.py": "import common\nfrom lib import money",
        "common.py": "",
        "lib/money.py": "",
    }
    assert names(files, "app/flows.py") == ["app", "app.flows", "common", "lib.money"]


def test_a_module_of_the_package_does_not_stand_in_for_an_installed_one():
    files = {"app/__init__.py": "", "app/flows.py": "from celery import Celery", "app/celery.py": ""}
    assert names(files, "app/flows.py") == ["app", "app.flows"]


def test_an_init_can_be_the_entry():
    found = bundle({"app/__init__.py": "from . import steps", "app/steps.py": ""}, "app/__init__.py")
    assert found.entry == "app"
    assert sorted(found.modules) == ["app", "app.steps"]


def test_a_folder_without_init_is_a_namespace_package():
    assert names({"main.py": "import lib.util", "lib/util.py": ""}, "main.py") == ["lib.util", "main"]


def test_a_package_wins_over_a_module_of_its_name():
    found = bundle({"main.py": "import lib", "lib.py": "", "lib/__init__.py": ""}, "main.py")
    assert found.modules["lib"].path == "/p/lib/__init__.py"


def test_star_imports_bring_what_the_package_exports():
    files = {
        "main.py": "from lib import *",
        "lib/__init__.py": "__all__ = ['a', 'B']\nB = 1",
        "lib/a.py": "",
        "lib/b.py": "",
    }
    assert names(files, "main.py") == ["lib", "lib.a", "main"]


def test_literal_dynamic_imports_are_followed():
    files = {
        "main.py": "import importlib\nimportlib.import_module('steps.load')\n__import__(name)",
        "steps/load.py": "",
    }
    assert names(files, "main.py") == ["main", "steps.load"]


def test_standard_modules_and_flux_are_never_local():
    files = {
        "main.py": "import json, flux, httpx, flux.tasks",
        "json.py": "",
        "flux/__init__.py": "",
        "flux/tasks.py": "",
    }
    assert names(files, "main.py") == ["main"]


def test_an_entry_may_be_called_like_a_standard_module():
    assert bundle({"queue.py": "import queue"}, "queue.py").entry == "queue"


@pytest.mark.parametrize("text", ["from . import x", "from .. import x", "from ..x import y", "from .x import y"])
def test_relative_imports_beyond_the_top_are_left_to_python(text):
    assert names({"a.py": text, "x.py": ""}, "a.py") == ["a"]


def test_cycles_end():
    assert names({"a.py": "import b", "b.py": "import a"}, "a.py") == ["a", "b"]


def test_further_roots_come_after_the_own_one():
    files = {"flows/one.py": "import shared, own", "flows/own.py": "", "shared.py": "", "own.py": ""}
    found = bundle(files, "flows/one.py", roots=[ROOT])
    assert {name: module.path for name, module in found.modules.items()} == {
        "one": "/p/flows/one.py",
        "own": "/p/flows/own.py",
        "shared": "/p/shared.py",
    }


def test_the_digest_is_of_sources_not_of_places():
    files = {"a.py": "import b", "b.py": "X = 1"}
    here, there = bundle(files, "a.py"), bundle(files, "a.py", Path("/elsewhere"))
    assert here.digest == there.digest
    assert here.path != there.path
    assert here.digest != bundle({**files, "b.py": "X = 2"}, "a.py").digest


def test_the_digest_tells_names_from_sources_and_packages_from_modules():
    digests = {
        bundle({"a.py": "import b", "b.py": ""}, "a.py").digest,
        bundle({"a.py": "import b", "b/__init__.py": ""}, "a.py").digest,
        bundle({"a.py": "import b"}, "a.py").digest,
        bundle({"c.py": "import b"}, "c.py").digest,
    }
    assert len(digests) == 4


def test_the_order_of_modules_does_not_count():
    found = bundle({"a.py": "import b", "b.py": ""}, "a.py")
    assert bundle_of("a", dict(reversed(found.modules.items()))) == found


def test_a_broken_module_says_where():
    with pytest.raises(SourceError, match=r"^b\.py:2 SyntaxError: '\(' was never closed$") as caught:
        bundle({"a.py": "import b", "b.py": "y = 1\nx = ("}, "a.py")
    error = caught.value
    assert isinstance(error, WorkflowCatalogError)
    assert (error.path, error.line, error.text) == ("/p/b.py", 2, "x = (")
    assert error.extra() == {
        "path": "/p/b.py",
        "line": 2,
        "text": "x = (",
        "error": "SyntaxError: '(' was never closed",
        "traceback": "  File \"/p/b.py\", line 2\n    x = (\nSyntaxError: '(' was never closed",
    }


@pytest.mark.parametrize("source", ["x = '\0'", "x = " + "(" * 2000 + ")" * 2000, "if x:\ny", "\tx\n  y"])
def test_whatever_does_not_parse_is_a_source_error(source):
    with pytest.raises(SourceError):
        bundle({"a.py": source}, "a.py")


def test_a_missing_entry_is_named():
    with pytest.raises(WorkflowCatalogError, match=r"nope\.py"):
        bundle({}, "nope.py")
