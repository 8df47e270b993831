"""Which files below some folders are worth watching, and which of them hold workflows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from flux.errors import UsageError

IGNORED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist"})
"""Folders never looked into, besides hidden ones and virtual environments of any name."""

_SIGNS = ("flux", "@workflow")
_TESTS = ("test_*.py", "*_test.py", "conftest.py")


@dataclass(frozen=True, slots=True)
class Scope:
    """What is watched.

    Attributes:
        paths: absolute folders and files, as named on the command line.
        ignore: further patterns (`*.tmp.py`, `drafts/*`), matched on the path below its folder and on
            the name.
    """

    paths: tuple[Path, ...]
    ignore: tuple[str, ...] = ()

    @classmethod
    def of(cls, paths: Sequence[Path], ignore: Sequence[str] = ()) -> Scope:
        """The scope of these paths; raises `UsageError` when one is not there or is no Python file."""
        resolved = []
        for path in paths or [Path()]:
            absolute = path.expanduser().resolve()
            if not absolute.exists():
                raise UsageError(f"There is no file or folder '{path}'.")
            if absolute.is_file() and absolute.suffix != ".py":
                raise UsageError(f"'{path}' is not a Python file.")
            resolved.append(absolute)
        return cls(tuple(resolved), tuple(ignore))

    def folders(self) -> set[Path]:
        """The folders to watch: those named, and those of the files named."""
        return {path if path.is_dir() else path.parent for path in self.paths}

    def covers(self, file: Path) -> bool:
        """Whether a file may be an entry: a Python file below a folder of ours, not ignored, no test."""
        if file in self.paths:
            return True
        return any(
            file.suffix == ".py" and file.is_relative_to(root) and not self._is_ignored(file, root)
            for root in self.paths
        )

    def files(self) -> list[Path]:
        """All files that may be entries, sorted."""
        found: set[Path] = set()
        for path in self.paths:
            found.update([path] if path.is_file() else self._below(path))
        return sorted(found)

    def _below(self, root: Path) -> Iterator[Path]:
        for folder, folders, names in os.walk(root):
            here = Path(folder)
            folders[:] = [name for name in folders if not _is_ignored_folder(here / name)]
            for name in names:
                if name.endswith(".py") and not self._is_ignored(here / name, root):
                    yield here / name

    def _is_ignored(self, file: Path, root: Path) -> bool:
        below = file.relative_to(root)
        if any(part.startswith(".") or part in IGNORED_FOLDERS for part in below.parts):
            return True
        if any(fnmatch(file.name, pattern) for pattern in _TESTS):
            return True
        return any(fnmatch(str(below), pattern) or fnmatch(file.name, pattern) for pattern in self.ignore)


def holds_workflows(path: Path, has_workflow: Callable[[str], bool]) -> bool:
    """Whether a file defines a workflow, told from its text alone.

    A file that does not parse counts when it mentions what a file with workflows must mention: a
    half-typed edit has to be reported, not passed over.
    """
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    try:
        return has_workflow(source)
    except SyntaxError:
        return all(sign in source for sign in _SIGNS)


def _is_ignored_folder(folder: Path) -> bool:
    name = folder.name
    return name.startswith(".") or name in IGNORED_FOLDERS or (folder / "pyvenv.cfg").exists()
