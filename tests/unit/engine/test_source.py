"""Bundles: what belongs to a version, and when two are the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from flux.engine.source import collect

ROOT = Path("/p")


def bundle(files: dict[str, str], entry: str, root: Path = ROOT):
    return collect(root / entry, {root / name: text for name, text in files.items()}.get, [root])


def test_siblings_are_followed_transitively_and_from_inside_functions():
    files = {"shop.py": "def f():\n    from rates import vat", "rates.py": "import tables", "tables.py": "", "other.py": ""}
    assert sorted(bundle(files, "shop.py").modules) == ["rates", "shop", "tables"]


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


def test_a_folder_without_init_is_a_namespace_package():
    found = bundle({"main.py": "import lib.util", "lib/util.py": ""}, "main.py")
    assert sorted(found.modules) == ["lib", "lib.util", "main"]


def test_installed_and_standard_modules_are_left_out():
    files = {"main.py": "import json, flux, httpx", "json.py": "", "flux/__init__.py": ""}
    assert sorted(bundle(files, "main.py").modules) == ["main"]


def test_cycles_end():
    assert sorted(bundle({"a.py": "import b", "b.py": "import a"}, "a.py").modules) == ["a", "b"]


def test_the_digest_is_of_sources_not_of_places():
    files = {"a.py": "import b", "b.py": "X = 1"}
    here, there = bundle(files, "a.py"), bundle(files, "a.py", Path("/elsewhere"))
    assert here.digest == there.digest
    assert here.path != there.path
    assert here.digest != bundle({**files, "b.py": "X = 2"}, "a.py").digest


def test_a_broken_module_says_where():
    with pytest.raises(SyntaxError) as caught:
        bundle({"a.py": "import b", "b.py": "x = ("}, "a.py")
    assert caught.value.filename == "/p/b.py"
    assert caught.value.lineno == 1


def test_a_missing_entry_is_named():
    with pytest.raises(FileNotFoundError, match=r"nope\.py"):
        bundle({}, "nope.py")
