"""One workflow file and the local modules it imports, found by reading them: nothing is executed.

Pure: files are read through a function that the caller gives, so the same code serves a disk and a test.
"""

from __future__ import annotations

import ast
import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flux.codec.names import module_name
from flux.domain import Bundle, Module
from flux.errors import WorkflowCatalogError

Read = Callable[[Path], str | None]
"""The text of a file, or None when there is no such file."""

_INIT = "__init__.py"
_NEVER_LOCAL = frozenset(sys.stdlib_module_names) | {"flux"}
_IMPORTERS = frozenset({"import_module", "__import__"})


class SourceError(WorkflowCatalogError):
    """A file does not parse.

    Attributes:
        path: the file. line: 1-based, 0 when unknown. text: that line of the source.
        error: one line, `SyntaxError: '(' was never closed`.
    """

    hint = "Fix the file and save it again."

    def __init__(self, path: str, line: int, error: str, text: str = "") -> None:
        self.path = path
        self.line = line
        self.text = text
        self.error = error
        place = f"{os.path.basename(path)}:{line}" if line else os.path.basename(path)  # noqa: PTH119
        super().__init__(f"{place} {error}")

    def extra(self) -> Mapping[str, Any]:
        """The place in the source, and the line as Python shows it."""
        names = ("path", "line", "text", "error")
        return {name: getattr(self, name) for name in names} | {"traceback": self._traceback()}

    def _traceback(self) -> str:
        shown = f"    {self.text.strip()}\n" if self.text else ""
        return f'  File "{self.path}", line {self.line}\n{shown}{self.error}'


def collect(entry: Path, read: Read, roots: Sequence[Path] = ()) -> Bundle:
    """The bundle of an entry file: itself, its packages' `__init__` files, and all local modules it imports.

    The entry is named by its stem, or by its dotted path when it lies in a package, so that relative imports
    work. Imports count wherever they stand, also inside functions. Local is what lies in the folder of the
    entry's top package (or of the entry itself), or in one of `roots`; what has the name of a module of the
    standard library is never local.

    Args:
        entry: the file with the workflows.
        read: gives the text of a file, None when there is none.
        roots: further folders that absolute imports may come from.

    Raises:
        SourceError: one of the files does not parse.
        WorkflowCatalogError: there is no entry file.

    Example:
        >>> files = {Path("/srv/a.py"): "import b", Path("/srv/b.py"): "import json"}
        >>> sorted(collect(Path("/srv/a.py"), files.get).modules)
        ['a', 'b']
    """
    name, root = module_name(entry, lambda file: read(file) is not None)
    source = read(entry)
    if source is None:
        raise WorkflowCatalogError(f"There is no file '{entry}'.")
    collector = _Collector(_Finder(read, tuple(dict.fromkeys((root, *roots)))))
    collector.follow(name, Module(str(entry), source, entry.name == _INIT))
    return bundle_of(name, collector.modules)


def bundle_of(entry: str, modules: Mapping[str, Module]) -> Bundle:
    """A bundle of these modules, addressed by their names and sources: where they lie does not matter."""
    digest = hashlib.sha256()
    for part in (entry, *_parts(modules)):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return Bundle(digest.hexdigest(), entry, dict(modules))


def parse(source: str, path: str) -> ast.Module:
    """The syntax tree of a file. Raises `SourceError`."""
    try:
        return ast.parse(source, path)
    except SyntaxError as error:
        line = error.lineno or 0
        kind = type(error).__name__
        raise SourceError(path, line, f"{kind}: {error.msg}", _line(source, line) or (error.text or "")) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise SourceError(path, 0, f"SyntaxError: {error}") from None


def _parts(modules: Mapping[str, Module]) -> Iterator[str]:
    for name in sorted(modules):
        yield f"{name}/" if modules[name].package else name
        yield modules[name].source


@dataclass(frozen=True, slots=True)
class _Finder:
    """Finds local modules by name, as Python's path finder does: a package wins over a module."""

    read: Read
    roots: tuple[Path, ...]

    def find(self, name: str) -> Module | None:
        if name.partition(".")[0] in _NEVER_LOCAL:
            return None
        for root in self.roots:
            place = root.joinpath(*name.split("."))
            for file in (place / _INIT, place.with_name(f"{place.name}.py")):
                if (source := self.read(file)) is not None:
                    return Module(str(file), source, file.name == _INIT)
        return None


@dataclass(slots=True)
class _Collector:
    """Follows imports until nothing new turns up."""

    finder: _Finder
    modules: dict[str, Module] = field(default_factory=dict)

    def follow(self, name: str, module: Module) -> None:
        self.modules[name] = module
        waiting = [(name, module)]
        while waiting:
            for found in self._imported(*waiting.pop()):
                if found not in self.modules and (one := self.finder.find(found)) is not None:
                    self.modules[found] = one
                    waiting.append((found, one))

    def _imported(self, name: str, module: Module) -> Iterator[str]:
        yield from _with_parents(name.rpartition(".")[0])
        tree = parse(module.source, module.path)
        package = name if module.package else name.rpartition(".")[0]
        for imported in _imports(tree, package):
            yield from _with_parents(imported)
        if module.package:
            yield from (f"{name}.{child}" for child in _exported(tree))


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:depth]) for depth in range(1, len(parts) + 1) if name)


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Absolute names of whatever may be a module that the file imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from _imported_from(node, package)
        elif isinstance(node, ast.Call) and _calls_importer(node.func):
            yield from _literal(node.args[:1])


def _imported_from(node: ast.ImportFrom, package: str) -> Iterator[str]:
    origin = node.module or ""
    if node.level:
        above = package.split(".")
        kept = above[: len(above) - node.level + 1] if package else []
        if not kept:
            return  # beyond the top package: importing it will tell
        origin = ".".join([*kept, origin] if origin else kept)
    yield origin
    yield from (f"{origin}.{alias.name}" for alias in node.names if alias.name != "*")


def _calls_importer(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in _IMPORTERS


def _literal(arguments: Iterable[ast.expr]) -> Iterator[str]:
    for argument in arguments:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            name = argument.value
            if all(part.isidentifier() for part in name.split(".")):
                yield name


def _exported(tree: ast.Module) -> Iterator[str]:
    """Names in a package's `__all__`: `from package import *` imports the modules among them."""
    assignments = (node for node in tree.body if isinstance(node, ast.Assign))
    for node in assignments:
        if any(getattr(target, "id", "") == "__all__" for target in node.targets):
            yield from _literal(getattr(node.value, "elts", ()))


def _line(source: str, number: int) -> str:
    lines = source.splitlines()
    return lines[number - 1] if 0 < number <= len(lines) else ""
