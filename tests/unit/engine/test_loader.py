"""Bundles run from memory as if their files lay where they once stood."""

from __future__ import annotations

import inspect
import sys
import traceback
from pathlib import Path

import pytest

from flux.domain import Bundle, Module
from flux.engine.loader import describe_failure, load
from flux.errors import WorkflowCatalogError


@pytest.fixture(autouse=True)
def _clean_imports():
    """Each test leaves the interpreter's import state as it was."""
    modules, finders, path = dict(sys.modules), list(sys.meta_path), list(sys.path)
    yield
    for name in set(sys.modules) - set(modules):
        del sys.modules[name]
    sys.modules.update(modules)
    sys.meta_path[:] = finders
    sys.path[:] = path


def bundle(entry: str, **modules: str) -> Bundle:
    """A bundle of `name="source"`; `__` in a name is a dot, a trailing `_` makes it a package."""
    found = {}
    for key, source in modules.items():
        name = key.replace("__", ".").rstrip("_")
        folder = "/srv/app/" + name.replace(".", "/")
        package = key.endswith("_")
        found[name] = Module(f"{folder}/__init__.py" if package else f"{folder}.py", source, package)
    return Bundle("d" * 64, entry, found)


def test_the_entry_runs_under_its_own_name_and_path():
    module = load(bundle("shop_entry", shop_entry="NAME, FILE = __name__, __file__\nif __name__ == '__main__': 1/0\n"))
    assert (module.NAME, module.FILE) == ("shop_entry", "/srv/app/shop_entry.py")
    assert sys.modules["shop_entry"] is module


def test_siblings_come_out_of_the_bundle():
    module = load(bundle("sib_entry", sib_entry="from sib_helper import rate\n", sib_helper="rate = 3\n"))
    assert module.rate == 3


def test_packages_import_relatively():
    module = load(
        bundle(
            "pkg_a.flows",
            pkg_a_="TOP = 1\n",
            pkg_a__flows="from . import TOP\nfrom .tools.money import cents\n",
            pkg_a__tools_="",
            pkg_a__tools__money="def cents(x):\n    return x * 100\n",
        )
    )
    assert (module.TOP, module.cents(2), module.__package__) == (1, 200, "pkg_a")
    assert sys.modules["pkg_a"].flows is module


def test_folders_without_init_are_namespace_packages():
    module = load(
        bundle(
            "space.flows", space__flows="from space.other import x\nfrom .other import x as y\n", space__other="x = 5\n"
        )
    )
    assert (module.x, module.y) == (5, 5)


def test_getsource_and_tracebacks_show_the_recorded_lines_after_the_file_was_edited(tmp_path: Path):
    path = tmp_path / "edited.py"
    source = "def broken():\n    raise ValueError('recorded')\n"
    path.write_text("# something else by now\n# entirely\n")
    module = load(Bundle("d", "edited", {"edited": Module(str(path), source)}))
    assert inspect.getsource(module.broken) == source
    with pytest.raises(ValueError, match="recorded") as caught:
        module.broken()
    shown = "".join(traceback.format_tb(caught.value.__traceback__))
    assert f'File "{path}", line 2' in shown
    assert "raise ValueError('recorded')" in shown


def test_nothing_is_written(tmp_path: Path):
    path = tmp_path / "silent.py"
    load(Bundle("d", "silent", {"silent": Module(str(path), "x = 1\n")}))
    assert list(tmp_path.iterdir()) == []


def test_a_new_version_replaces_the_former():
    load(bundle("versioned", versioned="from versioned_dep import x\n", versioned_dep="x = 1\n"))
    module = load(bundle("versioned", versioned="from versioned_dep import x\n", versioned_dep="x = 2\n"))
    assert module.x == 2


def test_an_entry_may_have_the_name_of_a_loaded_module():
    import calendar

    module = load(bundle("calendar", calendar="MINE = True\n"))
    assert module.MINE
    assert calendar.monthrange


def test_built_in_modules_win_over_siblings():
    module = load(bundle("clocked", clocked="import time\nfound = time.time\n", time="time = None\n"))
    assert module.found is not None


def test_a_file_named_flux_is_refused():
    with pytest.raises(WorkflowCatalogError, match=r"flux\.py hides the flux package"):
        load(bundle("flux", flux="x = 1\n"))


def test_a_failed_import_leaves_nothing_behind():
    with pytest.raises(ZeroDivisionError):
        load(bundle("failing", failing="1/0\n"))
    assert "failing" not in sys.modules


def failure_of(code: Bundle):
    try:
        load(code)
    except BaseException as error:
        return describe_failure(code, error)
    raise AssertionError("it was imported")


def test_a_syntax_error_names_its_line():
    failure = failure_of(bundle("bad_syntax", bad_syntax="x = 1\ndef f(:\n    pass\n"))
    assert failure.error == "SyntaxError: invalid syntax"
    assert (failure.path, failure.line) == ("/srv/app/bad_syntax.py", 2)


def test_an_exception_names_the_innermost_line_of_the_bundle():
    failure = failure_of(
        bundle("raising", raising="import raising_dep\n", raising_dep="import json\n\njson.loads('{')\n")
    )
    assert failure.error.startswith("JSONDecodeError: ")
    assert (failure.path, failure.line) == ("/srv/app/raising_dep.py", 3)
    assert "loader.py" not in failure.traceback
    assert "importlib" not in failure.traceback
    assert failure.traceback.splitlines()[1] == '  File "/srv/app/raising.py", line 1, in <module>'


def test_a_missing_module_names_the_import():
    failure = failure_of(bundle("missing", missing="\nimport there_is_no_such_module\n"))
    assert failure.error == "ModuleNotFoundError: No module named 'there_is_no_such_module'"
    assert failure.line == 2


def test_sys_exit_on_import_is_explained():
    failure = failure_of(bundle("leaving", leaving="import sys\nsys.exit(4)\n"))
    assert failure.error == "SystemExit: the file calls sys.exit(4) when it is imported"
    assert failure.line == 2
