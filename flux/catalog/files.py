"""User code on the disk: which files hold workflows, and what belongs to each."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from flux.domain import Bundle
from flux.engine.source import collect

_DECORATOR = "workflow"


def collect_file(path: Path) -> Bundle:
    """The bundle of a file: its source and that of the local modules it imports.

    Local are modules below the file's own folder (or the folder above its package) and below the
    current one. Raises `OSError`, `UnicodeDecodeError` and `SyntaxError`.
    """
    entry = path.resolve()
    return collect(entry, read_source, [import_root(entry), Path.cwd()])


def import_root(path: Path) -> Path:
    """The folder from which Python would import a file: above all the packages that enclose it."""
    folder = path.parent
    while (folder / "__init__.py").exists() and folder.parent != folder:
        folder = folder.parent
    return folder


def read_source(path: Path) -> str | None:
    """Text of a source file, decoded as Python decodes it; None when there is no such file."""
    import tokenize

    try:
        with tokenize.open(path) as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def has_workflow(source: str) -> bool:
    """Whether a source defines a Flux workflow, read with `ast` only.

    Example:
        >>> has_workflow("from flux import workflow as wf\\n@wf\\nasync def f(ctx): ...")
        True
        >>> has_workflow("def workflow(): ...")
        False
    """
    if "flux" not in source:
        return False
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return False
    names = set(_decorator_names(tree))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef))
    return any(_dotted(decorator) in names for function in functions for decorator in function.decorator_list)


def _decorator_names(tree: ast.AST) -> Iterator[str]:
    """What the workflow decorator is called in a module: `workflow`, `flux.workflow`, an alias."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "flux":
            for alias in node.names:
                if alias.name == _DECORATOR:
                    name = alias.asname or alias.name
                    yield from (name, f"{name}.with_options", f"{name}.{_DECORATOR}")
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "flux":
                    name = alias.asname or alias.name
                    yield from (f"{name}.{_DECORATOR}", f"{name}.{_DECORATOR}.with_options")


def _dotted(node: ast.expr) -> str:
    """`a.b.c` of a decorator, without its call."""
    if isinstance(node, ast.Call):
        return _dotted(node.func)
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
