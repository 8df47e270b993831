"""A whole job: read a source tree, let a person decide what counts, write a report.

    flux exec examples/source_report.py source_report '{"root": ".", "report": "source_report.md"}'
    flux exec examples/source_report.py source_report '{"decision": "approve"}' --resume ID
    flux dev examples

It walks the tree, analyses every Python file in a task of its own, and pauses with a summary of each folder.
The person chooses what to leave out in a typed form (in `flux dev`: 2, then `r`); a wrong value is refused
beside its field. Then the Markdown report is written, relative to the folder Flux was started in.

Every finished task is on disk: stop the process anywhere, and the run continues from there without reading
the files again. Without an input it reports on the checkout this file belongs to.
"""

import ast
import os
import sys
import threading
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from flux import ExecutionContext, task, workflow
from flux.tasks import now, pause

SKIPPED = {"__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist"}

PARSER = threading.Lock()
"""Python 3.11 counts the depth of its AST once for all threads: two that parse at once can disturb each other."""

Folder = Annotated[str, StringConstraints(pattern=r"^[^/\\]+(/[^/\\]+)*$", max_length=300)]


class Options(BaseModel):
    """What to read and where to write."""

    root: str = Field(
        default=str(Path(__file__).resolve().parent.parent), description="Folder whose Python files are read"
    )
    report: str = Field(default="source_report.md", pattern=r"\.md$", description="Markdown file to write")
    max_files: int = Field(default=5000, ge=1, le=50_000, description="Stop with an error above this many files")


class Review(BaseModel):
    """What the person decides after seeing the summary."""

    decision: Literal["approve", "reject"] = Field(description="approve writes the report, reject ends without one")
    title: str = Field(default="Source report", min_length=1, max_length=80, description="Heading of the report")
    exclude: list[Folder] = Field(
        default_factory=list, description="Folders to leave out with all below them, such as tests or docs/old"
    )
    minimum_lines: int = Field(default=0, ge=0, description="Leave out files with fewer lines than this")
    longest: int = Field(default=10, ge=1, le=100, description="How many of the longest functions to list")


@dataclass(frozen=True)
class Function:
    """A function and where it stands; `lines` counts its decorators and docstring."""

    name: str
    path: str
    line: int
    lines: int


@dataclass(frozen=True)
class FileFacts:
    """What one file holds. With a `problem` only its lines are known."""

    path: str
    lines: int
    functions: tuple[Function, ...] = ()
    imports: tuple[str, ...] = ()
    problem: str = ""

    @property
    def folder(self) -> str:
        """Its folder relative to the root, "." for the root itself."""
        return Path(self.path).parent.as_posix()


@dataclass(frozen=True)
class FolderSummary:
    """One row of what the person sees and of the report."""

    folder: str
    files: int
    lines: int
    functions: int
    longest: str
    problems: int


@dataclass(frozen=True)
class Outcome:
    """What the workflow returns; `report` is None when the person rejected it."""

    report: str | None
    files: int
    lines: int
    functions: int
    left_out: int
    problems: int


@task
def find_files(root: str, max_files: int) -> list[str]:
    """Python files below `root`, relative and sorted; hidden folders, environments and caches are skipped."""
    if not Path(root).is_dir():
        raise NotADirectoryError(f"{root} is not a folder on the machine that runs this")
    found: list[str] = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not _is_skipped(Path(folder, name)))
        found += (Path(folder, name).relative_to(root).as_posix() for name in names if name.endswith(".py"))
        if len(found) > max_files:
            raise ValueError(f"{root} holds more than {max_files} Python files; raise max_files or choose a subfolder")
    return sorted(found)


@task
def analyse(root: str, path: str) -> FileFacts:
    """Read one file without running it."""
    lines, text = 0, ""
    try:
        raw = Path(root, path).read_bytes()
        lines = len(raw.splitlines())
        with tokenize.open(Path(root, path)) as stream:
            text = stream.read()
        with PARSER:
            tree = ast.parse(text)
        return FileFacts(path, lines, tuple(_functions(tree, path)), tuple(sorted(set(_imports(tree, path)))))
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        return FileFacts(path, lines, problem=f"{type(error).__name__}: {error}")


@task
def write_report(path: str, text: str) -> str:
    """Write the report in one step, so that nobody ever reads half of it; gives its absolute path."""
    target = Path(path).absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(target)
    return str(target)


@workflow
async def source_report(ctx: ExecutionContext[Options]) -> Outcome:
    """Walk, analyse in parallel, ask, write."""
    options = ctx.input
    paths = await find_files(options.root, options.max_files)
    facts = await analyse.starmap((options.root, path) for path in paths)
    review = await _reviewed(options.root, facts)
    kept = [fact for fact in facts if not _is_left_out(fact, review)]
    report = None
    if review.decision == "approve":
        report = await write_report(options.report, render(options.root, kept, review, await now()))
    return Outcome(
        report=report,
        files=len(kept),
        lines=sum(fact.lines for fact in kept),
        functions=sum(len(fact.functions) for fact in kept),
        left_out=len(facts) - len(kept),
        problems=sum(bool(fact.problem) for fact in kept),
    )


async def _reviewed(root: str, facts: Sequence[FileFacts]) -> Review:
    """Ask until every excluded folder exists: what no schema can know is asked again with the reason."""
    known = {parent.as_posix() for fact in facts for parent in Path(fact.path).parents}
    summary = {"root": root, "folders": summarise(facts)}
    output = summary
    while True:
        review: Review = await pause("review", output=output, schema=Review)
        unknown = [folder for folder in review.exclude if folder not in known]
        if not unknown:
            return review
        # First, so that it is seen above a long list of folders.
        output = {"note": f"No Python files below: {', '.join(unknown)}. Please answer again.", **summary}


def summarise(facts: Iterable[FileFacts]) -> list[FolderSummary]:
    """One row for each folder, in path order."""
    folders: defaultdict[str, list[FileFacts]] = defaultdict(list)
    for fact in facts:
        folders[fact.folder].append(fact)
    return [_summary(folder, folders[folder]) for folder in sorted(folders)]


def render(root: str, facts: Sequence[FileFacts], review: Review, written: datetime) -> str:
    """The report as Markdown."""
    functions = sorted(_all_functions(facts), key=lambda each: (-each.lines, each.path, each.line))
    lines = sum(fact.lines for fact in facts)
    left_out = ", ".join(review.exclude) or "nothing"
    parts = [
        f"# {review.title}",
        f"{len(facts):,} Python files, {lines:,} lines and {len(functions):,} functions below `{root}`. Left out: "
        f"{left_out}; files under {review.minimum_lines} lines. Written {written:%Y-%m-%d %H:%M} UTC.",
        "## Folders",
        _table(
            ("Folder", "Files", "Lines", "Functions", "Longest function"),
            [(row.folder, row.files, row.lines, row.functions, row.longest) for row in summarise(facts)],
        ),
        "## Longest functions",
        _table(
            ("Function", "Lines", "Where"),
            [(each.name, each.lines, f"{each.path}:{each.line}") for each in functions[: review.longest]],
        ),
        "## Most imported modules",
        _table(("Module", "Imported by files", "From"), _most_imported(root, facts)),
    ]
    problems = [(fact.path, fact.problem) for fact in facts if fact.problem]
    if problems:
        parts += ["## Files that could not be read", _table(("File", "Why"), problems)]
    return "\n\n".join(parts) + "\n"


def _is_skipped(folder: Path) -> bool:
    name = folder.name
    return name.startswith(".") or name in SKIPPED or name.endswith(".egg-info") or (folder / "pyvenv.cfg").exists()


def _is_left_out(fact: FileFacts, review: Review) -> bool:
    below = any(fact.path.startswith(f"{folder}/") for folder in review.exclude)
    return below or fact.lines < review.minimum_lines


def _functions(tree: ast.AST, path: str, prefix: str = "") -> Iterator[Function]:
    """Functions and methods at any depth, by their qualified names."""
    for node in ast.iter_child_nodes(tree):
        name = prefix
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{node.name}."
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield Function(name[:-1], path, node.lineno, (node.end_lineno or node.lineno) - first + 1)
        yield from _functions(node, path, name)


def _imports(tree: ast.AST, path: str) -> Iterator[str]:
    """Modules a file imports; relative ones by their full name below the root."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = Path(path).parts[: -node.level] if node.level else ()
            yield ".".join([*parents, *([node.module] if node.module else ())]) or "."


def _all_functions(facts: Iterable[FileFacts]) -> list[Function]:
    return [function for fact in facts for function in fact.functions]


def _summary(folder: str, facts: Sequence[FileFacts]) -> FolderSummary:
    functions = _all_functions(facts)
    longest = max(functions, key=lambda each: each.lines, default=None)
    return FolderSummary(
        folder=folder,
        files=len(facts),
        lines=sum(fact.lines for fact in facts),
        functions=len(functions),
        longest=f"{longest.name} ({longest.lines})" if longest else "",
        problems=sum(bool(fact.problem) for fact in facts),
    )


def _most_imported(root: str, facts: Sequence[FileFacts], limit: int = 15) -> list[tuple[str, int, str]]:
    counts = Counter(name for fact in facts for name in fact.imports)
    own = {Path(root).name, *(Path(fact.path).parts[0].removesuffix(".py") for fact in facts)}
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]
    return [(name, count, _origin(name.split(".")[0], own)) for name, count in ranked]


def _origin(package: str, own: set[str]) -> str:
    if package in own:
        return "this tree"
    return "standard library" if package in sys.stdlib_module_names else "elsewhere"


def _table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; numbers are aligned to the right."""
    rows = list(rows)
    if not rows:
        return "None."
    marks = ["---:" if isinstance(cell, int) else "---" for cell in rows[0]]
    return "\n".join(_row(cells) for cells in (titles, marks, *rows))


def _row(cells: Iterable[object]) -> str:
    texts = (f"{cell:,}" if isinstance(cell, int) else str(cell).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(text.replace(chr(10), ' ') for text in texts)} |"


if __name__ == "__main__":
    waiting = source_report.run()
    print(waiting.state, waiting.output)
    print(source_report.resume(waiting.execution_id, {"decision": "approve", "exclude": ["tests"]}).output)
