"""README and docs are true: their python blocks run, their links lead somewhere, their commands exist.

The python blocks of a page run in order, as one script in a fresh folder; `print(...)  # text` promises a line.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from flux.catalog.files import collect_file, has_workflow
from flux.worker.probe import probe

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]
LINK = re.compile(r"\]\((?!https?://|#|mailto:)(?P<target>[^)#\s]+)(?:#(?P<anchor>[^)\s]+))?\)")
README = (ROOT / "README.md").read_text(encoding="utf-8")
_PRINTS = re.compile(r"^\s*print\(.*\)  # (?P<text>.+)$")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, and its text with the line it starts at (1-based)."""

    language: str
    line: int
    text: str


def blocks(page: str) -> list[Block]:
    """All fenced blocks of a page in order."""
    found: list[Block] = []
    language, start, lines = "", 0, list[str]()
    for number, line in enumerate(page.splitlines(), 1):
        if not line.startswith("```"):
            lines.append(line)
        elif start:
            found.append(Block(language, start + 1, "\n".join(lines)))
            start = 0
        else:
            language, start, lines = line[3:].strip(), number, []
    assert not start, f"the block that begins in line {start} is never closed"
    return found


def script(page: str) -> str:
    """The python blocks of a page as one file, each at the line it has in the page."""
    lines = [""] * len(page.splitlines())
    for block in blocks(page):
        if block.language == "python":
            for offset, line in enumerate(block.text.splitlines()):
                lines[block.line - 1 + offset] = line
    return "\n".join(lines) + "\n"


def promised_lines(source: str) -> list[str]:
    """What a page says its `print(...)  # text` lines print."""
    return [match["text"] for line in source.splitlines() if (match := _PRINTS.match(line))]


RUNNABLE = [page for page in PAGES if script(page.read_text(encoding="utf-8")).strip()]


def name(page: Path) -> str:
    """Path below the root, as the id of a test."""
    return page.relative_to(ROOT).as_posix()


def test_the_pages_have_blocks_to_run() -> None:
    assert len(RUNNABLE) >= 6


@pytest.mark.parametrize("page", RUNNABLE, ids=name)
def test_blocks_run_and_print_what_they_promise(page: Path, tmp_path: Path) -> None:
    source = script(page.read_text(encoding="utf-8"))
    file = tmp_path / "page.py"
    file.write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(file)],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"{name(page)} (line numbers are the page's own):\n{done.stderr}"
    printed = iter(done.stdout.splitlines())
    for promised in promised_lines(source):
        assert promised in printed, f"{name(page)} promises {promised!r}; it printed:\n{done.stdout}"


def test_the_tests_on_the_page_about_testing_pass(tmp_path: Path) -> None:
    source = script((ROOT / "docs" / "testing.md").read_text(encoding="utf-8"))
    (tmp_path / "test_page.py").write_text(source, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function"
    )
    # The plug-in by its module: it is there once, however Flux is installed here.
    plugin = ["-p", "no:flux", "-p", "flux.testing.plugin", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin, "test_page.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"line numbers are the page's own:\n{done.stdout}{done.stderr}"
    assert f"{len(re.findall(r'^(?:async )?def test_', source, flags=re.MULTILINE))} passed" in done.stdout


WORKFLOW_PAGES = [page for page in RUNNABLE if "@workflow" in script(page.read_text(encoding="utf-8"))]


def scripts(page: Path) -> list[str]:
    """The page as one file, and each of its blocks that is a complete file with a workflow by itself."""
    text = page.read_text(encoding="utf-8")
    alone = (block.text + "\n" for block in blocks(text) if block.language == "python")
    return [script(text), *(one for one in alone if re.match(r"(from|import) ", one) and has_workflow(one))]


@pytest.mark.parametrize("page", WORKFLOW_PAGES, ids=name)
async def test_scripts_can_be_registered(page: Path, tmp_path: Path) -> None:
    for number, source in enumerate(scripts(page)):
        file = tmp_path / f"page_{number}.py"
        file.write_text(source, encoding="utf-8")
        loaded = await probe(collect_file(file), str(tmp_path))
        assert not loaded.error, f"{name(page)}: {loaded.error} (line {loaded.line})\n{loaded.traceback}"
        assert loaded.manifest is not None
        assert loaded.manifest.workflows
    assert not (tmp_path / ".flux").exists(), "importing has run something"


def test_readme_and_quick_start_are_complete_scripts() -> None:
    for page in (ROOT / "README.md", ROOT / "docs" / "quick-start.md"):
        assert len(scripts(page)) >= 2, name(page)


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings make."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for match in LINK.finditer(page.read_text(encoding="utf-8")):
        target = page.parent / match["target"]
        assert target.exists(), f"{page.name} links to {match['target']}"
        if match["anchor"]:
            assert match["anchor"] in anchors(target), f"{page.name} links to {match['target']}#{match['anchor']}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_in_commands_exist(page: Path) -> None:
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.language == "bash":
            for file in re.findall(r"\bexamples/\w+\.py\b", block.text):
                assert (ROOT / file).exists(), f"{page.name} names {file}"


def test_every_page_is_reachable_from_the_readme() -> None:
    seen, queue = set[Path](), [ROOT / "README.md"]
    while queue:
        page = queue.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        queue += ((page.parent / match["target"]).resolve() for match in LINK.finditer(page.read_text("utf-8")))
    assert set((ROOT / "docs").glob("**/*.md")) <= seen


def test_readme_shows_the_dashboard_and_two_complete_commands() -> None:
    first = [block.text for block in blocks(README) if block.language == "bash"][:2]
    assert "![" in README.split("```")[0]
    for command in first:
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
        assert len(command.splitlines()) == 1
    assert first[0].endswith("flux dev examples")
    assert first[1].endswith("python -m pytest")


def test_ci_takes_its_test_command_from_the_readme() -> None:
    done = subprocess.run([ROOT / ".ci" / "run", "--print-test-command"], capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "python -m pytest"
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_every_key_in_the_docs_is_one_of_the_dashboard() -> None:
    from flux.tui.commands import COMMANDS, key_label

    known = {key_label(key) for command in COMMANDS for key in command.keys}
    pages = [README, (ROOT / "docs" / "dev.md").read_text(encoding="utf-8")]
    rows = [line.split("|")[1] for page in pages for line in page.splitlines() if line.startswith("| `")]
    named = [key for row in rows for key in re.findall(r"`([^`]+)`", row)]
    assert len(named) > 30
    assert sorted(set(named) - known) == []


def test_every_command_in_the_docs_exists() -> None:
    import typer

    from flux.cli.main import COMMANDS

    pages = [page.read_text(encoding="utf-8") for page in PAGES]
    text = "\n".join(block.text for page in pages for block in blocks(page) if block.language in ("bash", "console"))
    named = {(group, *rest.split("|")) for group, rest in re.findall(r"\bflux ([a-z]+) ([a-z|]*)", text)}
    assert len(named) > 20
    for group, *commands in named:
        assert group in COMMANDS, f"flux {group}"
        found = typer.main.get_command(importlib.import_module(COMMANDS[group].module).app)
        for command in filter(None, commands):
            known = getattr(found, "commands", None)
            assert known is None or command in known, f"flux {group} {command}"


async def test_the_documented_routes_are_those_of_the_server() -> None:
    from flux.clock import SystemClock
    from flux.config import load_settings
    from flux.server.app import create_app
    from flux.store import Store

    store = await Store.open("sqlite:///:memory:", clock=SystemClock())
    try:
        paths = create_app(load_settings({}), store).openapi()["paths"]
    finally:
        await store.close()
    served = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    page = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    table = "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`((?:GET|POST|PUT|DELETE) /[^`]*)`", table)) == served


def test_every_setting_is_documented() -> None:
    from flux.config.settings import known_keys

    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `([a-z_.]+)` \|", page, flags=re.MULTILINE)
    assert sorted(documented) == sorted(known_keys())


def test_the_documented_problem_is_what_the_server_sends() -> None:
    from flux.errors import WorkflowNotFoundError
    from flux.server.problems import problem

    page = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    shown = next(json.loads(block.text) for block in blocks(page) if '"about:blank"' in block.text)
    assert shown == problem(WorkflowNotFoundError("default/ordr"), "/workflows/ordr")


def test_changelog_begins_with_the_version_in_pyproject() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    titles = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert version in titles[:2]


async def test_a_script_without_the_guard_is_told_about_it(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "quick-start.md").read_text(encoding="utf-8")
    file = tmp_path / "order.py"
    file.write_text(script(page).replace('if __name__ == "__main__":', "if True:"), encoding="utf-8")
    loaded = await probe(collect_file(file), str(tmp_path))
    assert loaded.error == (
        'UsageError: order.py calls run() while it is imported; put it under `if __name__ == "__main__":`.'
    )
    assert 'ctx = order.run(["bicycle", "lamp"])' in file.read_text(encoding="utf-8").splitlines()[loaded.line - 1]
