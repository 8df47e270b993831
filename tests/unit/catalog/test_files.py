"""Which files hold workflows, and what is read from the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from flux.catalog.files import collect_file, find_workflow_files, has_workflow, read_source
from flux.errors import WorkflowCatalogError

BODY = "async def f(ctx): ..."
WORKFLOW = f"from flux import workflow\n@workflow\n{BODY}"


@pytest.mark.parametrize(
    "source",
    [
        WORKFLOW,
        f"from flux import task, workflow\n@workflow.with_options(name='x')\n{BODY}",
        f"from flux import workflow as wf\n@wf\n{BODY}",
        f"from flux import workflow as wf\n@wf.with_options(timeout=3)\n{BODY}",
        f"from flux import *\n@workflow\n{BODY}",
        f"from flux.workflow import workflow\n@workflow\n{BODY}",
        f"from flux.decorators import workflow\n@workflow\n{BODY}",
        f"import flux\n@flux.workflow\n{BODY}",
        f"import flux.tasks\nimport flux\n@flux.workflow\n{BODY}",
        f"import flux.workflow\n@flux.workflow.workflow.with_options(timeout=3)\n{BODY}",
        f"import flux.decorators as d\n@d.workflow\n{BODY}",
        f"import flux as fx\n@fx.workflow.with_options(timeout=3)\n{BODY}",
        f"from flux import workflow\n@logged\n@workflow\n{BODY}",
        f"from flux import workflow\nif True:\n    @workflow\n    {BODY}",
        f"from flux import workflow\n{BODY}\ng = workflow(f)",
        f"from flux import workflow\n{BODY}\ng = workflow.with_options(name='x')(f)",
    ],
)
def test_workflows_are_recognised(source):
    assert has_workflow(source)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "x = 1",
        f"from other import workflow\n@workflow\n{BODY}",
        f"from .flux import workflow\n@workflow\n{BODY}",
        f"import flux_tools\n@flux_tools.workflow\n{BODY}",
        f"from flux import task\n@task\n{BODY}",
        f"from flux import workflow\n{BODY}",
        f"from flux import workflow\ndef make():\n    @workflow\n    {BODY}",
        "# flux\ndef workflow(): ...",
    ],
)
def test_other_sources_are_not(source):
    assert not has_workflow(source)


@pytest.mark.parametrize("source", ["flux = (", "flux = '\0'"])
def test_what_does_not_parse_is_not_passed_over(source):
    with pytest.raises(SyntaxError):
        has_workflow(source)


def test_collecting_reads_the_file_and_its_siblings(tmp_path):
    (tmp_path / "helpers.py").write_text("# -*- coding: latin-1 -*-\nNAME = 'é'\n", encoding="latin-1")
    (tmp_path / "flow.py").write_text("from helpers import NAME\n")
    found = collect_file(tmp_path / "flow.py")
    assert sorted(found.modules) == ["flow", "helpers"]
    assert "é" in found.modules["helpers"].source
    assert found.path == str(tmp_path / "flow.py")


def test_the_digest_does_not_know_line_ends_nor_folders(tmp_path):
    digests = set()
    for folder, text in (("a", b"import b\nX = 1\n"), ("c", b"\xef\xbb\xbfimport b\r\nX = 1\r\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "flow.py").write_bytes(text)
        (tmp_path / folder / "b.py").touch()
        digests.add(collect_file(tmp_path / folder / "flow.py").digest)
    assert len(digests) == 1


def test_modules_below_the_current_folder_count_as_local(tmp_path, monkeypatch):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "__init__.py").touch()
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "one.py").write_text("import shared")
    monkeypatch.chdir(tmp_path)
    assert sorted(collect_file(Path("flows/one.py")).modules) == ["one", "shared"]
    assert sorted(collect_file(Path("flows/one.py"), []).modules) == ["one"]


def test_a_missing_file_and_an_undecodable_one_are_named(tmp_path):
    (tmp_path / "bad.py").write_bytes(b"x = '\xff'\n")
    (tmp_path / "odd.py").write_bytes(b"# coding: martian\n")
    for name in ("bad.py", "odd.py", "missing.py", "notes.txt"):
        with pytest.raises(WorkflowCatalogError, match=name.replace(".", r"\.")):
            collect_file(tmp_path / name)
    assert read_source(tmp_path) is None


def test_only_files_with_workflows_are_found(tmp_path):
    files = {
        "flow.py": WORKFLOW,
        "plain.py": "x = 1",
        "broken.py": "flux = (",
        "deep/er/flow.py": WORKFLOW,
        "drafts/flow.py": WORKFLOW,
        "flow_old.py": WORKFLOW,
        ".hidden/flow.py": WORKFLOW,
        ".git/flow.py": WORKFLOW,
        ".venv/lib/flow.py": WORKFLOW,
        "__pycache__/flow.py": WORKFLOW,
        "node_modules/x/flow.py": WORKFLOW,
        "my_env/pyvenv.cfg": "",
        "my_env/lib/flow.py": WORKFLOW,
        "notes.txt": WORKFLOW,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = find_workflow_files([tmp_path], ["drafts/", "*_old.py"])
    assert [file.relative_to(tmp_path).as_posix() for file in found] == ["deep/er/flow.py", "flow.py"]
    assert find_workflow_files([tmp_path / "flow_old.py", tmp_path / "plain.py"]) == [tmp_path / "flow_old.py"]
