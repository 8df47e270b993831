from pathlib import Path

import pytest

from flux.catalog.files import has_workflow
from flux.dev.discovery import Scope, holds_workflows
from flux.errors import UsageError


@pytest.fixture
def project(tmp_path):
    for name in [
        "flow.py",
        "notes.txt",
        "pkg/deep/more.py",
        "test_flow.py",
        "conftest.py",
        ".venv/lib/x.py",
        "my-env/pyvenv.cfg",
        "my-env/lib/y.py",
        "node_modules/z.py",
        "pkg/__pycache__/c.py",
        "drafts/idea.py",
    ]:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    return tmp_path


def names(scope, root):
    return [str(path.relative_to(root)) for path in scope.files()]


def test_environments_caches_and_tests_are_left_out(project):
    assert names(Scope.of([project]), project) == ["drafts/idea.py", "flow.py", "pkg/deep/more.py"]


def test_patterns_leave_out_more(project):
    assert names(Scope.of([project], ["drafts/*", "more.py"]), project) == ["flow.py"]


def test_a_file_named_on_purpose_counts_whatever_its_name(project):
    scope = Scope.of([project / "test_flow.py", project / "pkg"])
    assert names(scope, project) == ["pkg/deep/more.py", "test_flow.py"]
    assert scope.folders() == {project, project / "pkg"}
    assert scope.covers(project / "test_flow.py")
    assert not scope.covers(project / "flow.py")


def test_what_is_covered_follows_the_same_rules(project):
    scope = Scope.of([project])
    assert scope.covers(project / "new" / "file.py")
    assert not scope.covers(project / ".git" / "hook.py")
    assert not scope.covers(project / "notes.txt")


def test_no_path_means_here(project, monkeypatch):
    monkeypatch.chdir(project)
    assert Scope.of([]).paths == (project,)


@pytest.mark.parametrize(
    ("path", "message"), [("nope", "no file or folder 'nope'"), ("notes.txt", "not a Python file")]
)
def test_a_wrong_path_is_named(project, monkeypatch, path, message):
    monkeypatch.chdir(project)
    with pytest.raises(UsageError, match=message):
        Scope.of([Path(path)])


def test_a_half_typed_file_counts_when_it_mentions_a_workflow(tmp_path):
    file = tmp_path / "a.py"
    file.write_text("from flux import workflow\n@workflow\nasync def f(ctx:")
    assert holds_workflows(file, has_workflow)
    file.write_text("def g(")
    assert not holds_workflows(file, has_workflow)
    assert not holds_workflows(tmp_path / "gone.py", has_workflow)
    file.write_bytes(b"\xff\xfe\x00")
    assert not holds_workflows(file, has_workflow)
