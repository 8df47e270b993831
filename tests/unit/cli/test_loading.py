import sys
from pathlib import Path

import pytest

from flux.cli.loading import find_workflow, load_file
from flux.errors import UsageError, WorkflowCatalogError, WorkflowNotFoundError

FLOW = """
from flux import workflow

@workflow
async def hello(ctx):
    return 1

@workflow.with_options(name="order", namespace="shop")
async def place(ctx):
    return 2

if __name__ == "__main__":
    raise RuntimeError("must not run")
"""


@pytest.fixture(autouse=True)
def clean_modules():
    before, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]
    sys.path[:] = path


def write(folder, name, source):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source)
    return file


def test_a_workflow_is_found_by_name_address_and_variable(tmp_path):
    module = load_file(write(tmp_path, "flows_by_name.py", FLOW))
    assert str(find_workflow(module, "hello", Path("f.py")).ref) == "default/hello"
    for name in ("order", "shop/order", "place"):
        assert str(find_workflow(module, name, Path("f.py")).ref) == "shop/order"


def test_a_wrong_name_is_answered_with_what_there_is(tmp_path):
    module = load_file(write(tmp_path, "flows_wrong.py", FLOW))
    with pytest.raises(WorkflowNotFoundError, match=r"It has default/hello, shop/order\.") as refused:
        find_workflow(module, "nope", Path("f.py"))
    assert refused.value.hint == "Name one of them."


def test_siblings_and_packages_import_as_usual(tmp_path):
    write(tmp_path, "helper_of_test.py", "VALUE = 3")
    assert load_file(write(tmp_path, "main_of_test.py", "from helper_of_test import VALUE")).VALUE == 3
    write(tmp_path, "pack_of_test/__init__.py", "")
    write(tmp_path, "pack_of_test/util.py", "VALUE = 4")
    module = load_file(write(tmp_path, "pack_of_test/flows.py", "from .util import VALUE"))
    assert (module.__name__, module.VALUE) == ("pack_of_test.flows", 4)


def test_a_script_named_like_a_library_module_takes_nobodys_place(tmp_path):
    import queue

    assert load_file(write(tmp_path, "queue.py", "mine = True")).mine
    assert sys.modules["queue"] is queue


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match="There is no file"):
        load_file(tmp_path / "gone.py")


def test_broken_code_is_told_with_its_place_and_without_our_frames(tmp_path):
    file = write(tmp_path, "broken_of_test.py", "def f():\n    return missing\nf()\n")
    with pytest.raises(WorkflowCatalogError, match="cannot be imported") as caught:
        load_file(file)
    assert f'File "{file}", line 2, in f' in str(caught.value)
    assert "NameError: name 'missing' is not defined" in str(caught.value)
    assert "loading.py" not in str(caught.value)
    with pytest.raises(WorkflowCatalogError, match="was never closed"):
        load_file(write(tmp_path, "syntax_of_test.py", "print(\n"))
