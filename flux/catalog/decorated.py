"""Finding Flux's decorators in source, by `ast` alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["workflow", "task"]
Function = ast.AsyncFunctionDef | ast.FunctionDef

_DOORS = frozenset({"flux", "flux.task", "flux.workflow", "flux.decorators"})
_KINDS: tuple[Kind, ...] = ("workflow", "task")


@dataclass(frozen=True, slots=True)
class Decorated:
    """Something that Flux's decorator makes a workflow or a task of.

    Attributes:
        attribute: the name that holds it.
        function: its definition, where the file has one.
        options: the arguments of `with_options`, as written.
        line: of the `def`, or of the assignment.
    """

    kind: Kind
    attribute: str
    function: Function | None
    options: Mapping[str, ast.expr]
    line: int


def decorated(tree: ast.Module) -> list[Decorated]:
    """The workflows and tasks that a module binds at its top level, in order.

    Decorators may have other names (`from flux import workflow as durable`, `import flux as f`) and may be
    called instead: `order = workflow(place_order)`.
    """
    names = _names(tree)
    functions = {node.name: node for node in _statements(tree.body) if isinstance(node, Function)}
    found = (_found(node, names, functions) for node in _statements(tree.body))
    return [one for one in found if one is not None]


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when the module is imported; those of functions and classes do not bind its names."""
    for node in body:
        yield node
        if isinstance(node, Function | ast.ClassDef):
            continue
        for block in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(node, block, []))
        for handler in getattr(node, "handlers", []):
            yield from _statements(handler.body)


def _names(tree: ast.Module) -> dict[str, str]:
    """What the module calls Flux's things: local name → `flux`, `flux.workflow`, `workflow` or `task`."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in _DOORS:
                    names[alias.asname or "flux"] = alias.name if alias.asname else "flux"
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module in _DOORS:
            for alias in node.names:
                bound = _KINDS if alias.name == "*" else (alias.name,)
                names.update((alias.asname or name, name) for name in bound)
    return names


def _found(node: ast.stmt, names: Mapping[str, str], functions: Mapping[str, Function]) -> Decorated | None:
    if isinstance(node, Function):
        for decorator in node.decorator_list:
            if (kind := _kind(decorator, names)) is not None:
                return Decorated(kind, node.name, node, _options(decorator), node.lineno)
    elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
        call, target = node.value, node.targets[0]
        kind = _kind(call.func, names)
        if kind is not None and isinstance(target, ast.Name) and len(call.args) == 1:
            wrapped = functions.get(getattr(call.args[0], "id", ""))
            return Decorated(kind, target.id, wrapped, _options(call.func), node.lineno)
    return None


def _kind(decorator: ast.expr, names: Mapping[str, str]) -> Kind | None:
    """`workflow`, `workflow.with_options(…)`, `flux.workflow…`, `flux.workflow.workflow…`."""
    if isinstance(decorator, ast.Call):
        target = decorator.func
        if not (isinstance(target, ast.Attribute) and target.attr == "with_options"):
            return None
        return _kind(target.value, names)
    meant = _meaning(decorator, names)
    return next((kind for kind in _KINDS if kind == meant), None)


def _meaning(node: ast.expr, names: Mapping[str, str]) -> str:
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if not isinstance(node, ast.Attribute):
        return ""
    owner = _meaning(node.value, names)
    if owner in _DOORS or (owner in _KINDS and isinstance(node.value, ast.Attribute)):
        return node.attr
    return ""


def _options(decorator: ast.expr) -> dict[str, ast.expr]:
    keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
    return {keyword.arg: keyword.value for keyword in keywords if keyword.arg is not None}
