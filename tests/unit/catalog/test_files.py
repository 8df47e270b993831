"""Which files hold workflows, and what is read from the disk."""

from __future__ import annotations

import pytest

from flux.catalog.files import collect_file, has_workflow, import_root

BODY = "async def f(ctx): ..."


@pytest.mark.parametrize(
    "source",
    [
        f"from flux import workflow\n@workflow\n{BODY}",
        f"from flux import task, workflow\n@workflow.with_options(name='x')\n{BODY}",
        f"from flux import workflow as wf\n@wf\n{BODY}",
        f"from flux.workflow import workflow\n@workflow\n{BODY}",
        f"from flux.decorators import workflow\n@workflow\n{BODY}",
        f"import flux\n@flux.workflow\n{BODY}",
        f"import flux as fx\n@fx.workflow.with_options(timeout=3)\n{BODY}",
    ],
)
def test_workflows_are_recognised(source):
    assert has_workflow(source)


@pytest.mark.parametrize(
    "source",
    ["", "x = 1", f"from other import workflow\n@workflow\n{BODY}", f"from flux import task\n@task\n{BODY}", "flux = ("],
)
def test_other_sources_are_not(source):
    assert not has_workflow(source)


def test_collecting_reads_the_file_and_its_siblings(tmp_path):
    (tmp_path / "helpers.py").write_text("# -*- coding: latin-1 -*-\nNAME = 'é'\n", encoding="latin-1")
    (tmp_path / "flow.py").write_text("from helpers import NAME\n")
    found = collect_file(tmp_path / "flow.py")
    assert sorted(found.modules) == ["flow", "helpers"]
    assert "é" in found.modules["helpers"].source
    assert found.path == str(tmp_path / "flow.py")


def test_the_import_root_lies_above_the_packages(tmp_path):
    package = tmp_path / "a" / "b"
    package.mkdir(parents=True)
    (tmp_path / "a" / "__init__.py").touch()
    (package / "__init__.py").touch()
    assert import_root(package / "c.py") == tmp_path


def test_modules_below_the_current_folder_count_as_local(tmp_path, monkeypatch):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "__init__.py").touch()
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "one.py").write_text("import shared")
    monkeypatch.chdir(tmp_path)
    assert sorted(collect_file(tmp_path / "flows" / "one.py").modules) == ["one", "shared"]
