"""The source report on a small tree and on this checkout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from flux.errors import ExecutionError, InvalidInputError

Load = Callable[[str], ModuleType]

SHOP = '''"""A shop."""
import json
from shop import prices


@staticmethod
def total(items):
    """Sum."""
    return sum(prices.of(item) for item in items)


class Basket:
    def add(self, item):
        def check():
            return json.dumps(item)

        return check()
'''


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project with a package, tests, a broken file, and folders that must be skipped."""
    root = tmp_path / "tree"
    files = {
        "main.py": "import shop\n",
        "shop/__init__.py": "",
        "shop/basket.py": SHOP,
        "shop/prices.py": "from . import basket\nimport json\n\n\ndef of(item):\n    return 1\n",
        "tests/test_shop.py": "import shop\n\n\ndef test_shop():\n    assert shop\n",
        "tests/broken.py": "def oops(:\n",
        ".hidden/secret.py": "x = 1\n",
        "shop/__pycache__/old.py": "x = 1\n",
        "work/pyvenv.cfg": "",
        "work/lib/thing.py": "x = 1\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_pauses_with_a_summary_for_each_folder(example: Load, tree: Path) -> None:
    ctx = example("source_report").source_report.run({"root": str(tree)})
    assert ctx.is_paused
    rows = {row.folder: row for row in ctx.output["folders"]}
    assert sorted(rows) == [".", "shop", "tests"]
    assert (rows["shop"].files, rows["shop"].functions, rows["shop"].longest) == (3, 4, "Basket.add (5)")
    assert rows["tests"].problems == 1
    analysed = [event for event in ctx.events if event.name == "analyse" and event.type == "TASK_COMPLETED"]
    assert len(analysed) == 6


def test_writes_what_was_approved(example: Load, tree: Path, tmp_path: Path) -> None:
    report = example("source_report").source_report
    waiting = report.run({"root": str(tree), "report": "out/report.md"})
    done = report.resume(waiting.execution_id, {"decision": "approve", "title": "Shop", "exclude": ["tests"]})
    assert done.has_succeeded, done.output
    assert done.output.report == str(tmp_path / "out" / "report.md")
    assert (done.output.files, done.output.functions, done.output.left_out, done.output.problems) == (4, 4, 2, 0)
    text = Path(done.output.report).read_text(encoding="utf-8")
    assert text.startswith("# Shop\n")
    assert "| shop | 3 |" in text
    assert "| Basket.add | 5 | shop/basket.py:13 |" in text
    assert "| total | 4 | shop/basket.py:7 |" in text
    assert "| json | 2 | standard library |" in text
    assert "| shop | 3 | this tree |" in text
    assert "tests/" not in text
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.md"]


def test_lists_files_that_cannot_be_read(example: Load, tree: Path) -> None:
    report = example("source_report").source_report
    waiting = report.run({"root": str(tree)})
    done = report.resume(waiting.execution_id, {"decision": "approve", "minimum_lines": 1})
    text = Path(done.output.report).read_text(encoding="utf-8")
    assert done.output.problems == 1
    assert "| tests/broken.py | SyntaxError: " in text


def test_rejecting_writes_nothing(example: Load, tree: Path, tmp_path: Path) -> None:
    report = example("source_report").source_report
    waiting = report.run({"root": str(tree)})
    done = report.resume(waiting.execution_id, {"decision": "reject"})
    assert done.has_succeeded
    assert done.output.report is None
    assert not (tmp_path / "source_report.md").exists()


def test_a_wrong_form_is_refused_field_by_field(example: Load, tree: Path) -> None:
    report = example("source_report").source_report
    waiting = report.run({"root": str(tree)})
    with pytest.raises(InvalidInputError) as caught:
        report.resume(
            waiting.execution_id,
            {"decision": "maybe", "exclude": ["tests", "/shop/"], "minimum_lines": -1, "title": ""},
        )
    fields = sorted(tuple(error["loc"]) for error in caught.value.errors)
    assert fields == [("decision",), ("exclude", 1), ("minimum_lines",), ("title",)]
    assert report.resume(waiting.execution_id, {"decision": "reject"}).has_succeeded


def test_an_unknown_folder_is_asked_again(example: Load, tree: Path) -> None:
    report = example("source_report").source_report
    waiting = report.run({"root": str(tree)})
    again = report.resume(waiting.execution_id, {"decision": "approve", "exclude": ["tests", "nowhere"]})
    assert again.is_paused
    assert next(iter(again.output)) == "note"
    assert again.output["note"] == "No Python files below: nowhere. Please answer again."
    done = report.resume(waiting.execution_id, {"decision": "approve", "exclude": ["tests"]})
    assert done.output.files == 4
    assert sum(event.name == "analyse" and event.type == "TASK_STARTED" for event in done.events) == 6


def test_a_root_that_is_no_folder_fails_with_its_name(example: Load, tmp_path: Path) -> None:
    ctx = example("source_report").source_report.run({"root": str(tmp_path / "nowhere")})
    assert ctx.has_failed
    assert isinstance(ctx.output, ExecutionError)
    assert isinstance(ctx.output.inner_exception, NotADirectoryError)
    assert "nowhere is not a folder" in str(ctx.output)


def test_reports_on_this_checkout_without_an_input(example: Load) -> None:
    module = example("source_report")
    waiting = module.source_report.run({})
    assert waiting.is_paused, waiting.output
    folders = {row.folder: row for row in waiting.output["folders"]}
    assert folders["flux/domain"].files >= 4
    assert folders["examples"].functions > 20
    done = module.source_report.resume(waiting.execution_id, {"decision": "approve", "exclude": ["tests"]})
    assert done.has_succeeded, done.output
    assert done.output.files > 30
    text = Path(done.output.report).read_text(encoding="utf-8")
    assert "| flux/domain |" in text
    assert "| tests" not in text
