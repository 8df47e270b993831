"""Workflow files on disk: which there are, and what belongs to each."""

from __future__ import annotations

import ast
import io
import os
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from flux.catalog.decorated import decorated
from flux.domain import Bundle
from flux.engine.source import SourceError, collect
from flux.errors import WorkflowCatalogError

IGNORED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "env"})
"""Folders never looked into, besides hidden ones and virtual environments of any name."""


def collect_file(path: Path, roots: Sequence[Path] | None = None) -> Bundle:
    """The bundle of a file: its source and that of the local modules it imports.

    Args:
        roots: further folders that its absolute imports may come from; the current one when not given, as
            runners have it on their path too.

    Raises `WorkflowCatalogError` with `path` and `line` when a file is missing or does not parse.

    Example:
        >>> collect_file(Path("shop.py")).entry  # doctest: +SKIP
        'shop'
    """
    entry = path.expanduser().resolve()
    if entry.suffix != ".py":
        raise WorkflowCatalogError(f"'{path}' is not a Python file.")
    further = [Path()] if roots is None else roots
    return collect(entry, read_source, [root.resolve() for root in further])


def read_source(path: Path) -> str | None:
    """The text of a Python file, decoded as Python does it; None when there is none. Raises `SourceError`."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise SourceError(str(path), 0, f"cannot be read: {error.strerror}") from None
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except (SyntaxError, UnicodeDecodeError) as error:
        raise SourceError(str(path), 0, f"cannot be decoded: {error}") from None


def has_workflow(source: str) -> bool:
    """Whether a source defines a Flux workflow, told by `ast` alone. Raises `SyntaxError`.

    Example:
        >>> has_workflow("from flux import workflow\\n@workflow\\nasync def hello(ctx): ...")
        True
    """
    if "flux" not in source:
        return False
    try:
        tree = ast.parse(source)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error)) from None
    return any(one.kind == "workflow" for one in decorated(tree))


def find_workflow_files(paths: Iterable[Path], ignore: Sequence[str] = ()) -> list[Path]:
    """The files below `paths` that define a workflow, sorted; unreadable and broken files are left out.

    Args:
        paths: folders, and files that are looked at whatever their name.
        ignore: patterns (`drafts/*`, `*_old.py`), matched on the path below its folder and on the name.
    """
    found: set[Path] = set()
    for path in paths:
        candidates = _python_files(path, ignore) if path.is_dir() else [path]
        found.update(file for file in candidates if _holds_workflow(file))
    return sorted(found)


def _python_files(root: Path, ignore: Sequence[str]) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        below = here.relative_to(root)
        folders[:] = [name for name in folders if not _skips(here / name, below / name, ignore)]
        for name in names:
            if name.endswith(".py") and not name.startswith(".") and not _matches(below / name, ignore):
                yield here / name


def _skips(folder: Path, below: Path, ignore: Sequence[str]) -> bool:
    if folder.name.startswith(".") or folder.name in IGNORED_FOLDERS:
        return True
    return _matches(below, ignore) or (folder / "pyvenv.cfg").exists()


def _matches(below: Path, patterns: Sequence[str]) -> bool:
    return any(fnmatch(below.as_posix(), one.rstrip("/")) or fnmatch(below.name, one.rstrip("/")) for one in patterns)


def _holds_workflow(file: Path) -> bool:
    try:
        source = read_source(file)
        return source is not None and has_workflow(source)
    except (SyntaxError, WorkflowCatalogError):
        return False
