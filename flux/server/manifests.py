"""The workflows of a source, read with `ast` alone: for servers that have no worker to import it.

Only what the text says is known: names, literal options, docstrings. Types of inputs are not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flux.domain import Bundle, WorkflowSpec
from flux.domain.workflow import DEFAULT_NAMESPACE

_OPTIONS = ("timeout", "durability", "secret_requests")
_Function = ast.AsyncFunctionDef | ast.FunctionDef


def read_manifest(bundle: Bundle) -> list[WorkflowSpec]:
    """The workflows that the entry module of a bundle defines.

    Example:
        >>> from flux.domain import Module
        >>> source = "from flux import workflow\\n@workflow\\nasync def hello(ctx): ..."
        >>> [str(one.ref) for one in read_manifest(Bundle("d", "m", {"m": Module("m.py", source)}))]
        ['default/hello']
    """
    module = bundle.modules[bundle.entry]
    tree = ast.parse(module.source, module.path)
    names = _Names.of(tree)
    functions = [node for node in tree.body if isinstance(node, _Function)]
    tasks = tuple(_named(node, found) for node in functions if (found := names.decorator(node, "task")))
    return [_spec(node, found, tasks) for node in functions if (found := names.decorator(node, "workflow"))]


@dataclass(frozen=True, slots=True)
class _Decorator:
    """A Flux decorator with its literal options."""

    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Names:
    """What a module calls Flux's decorators: `workflow`, `wf`, `flux.workflow`."""

    bound: dict[str, str]

    @classmethod
    def of(cls, tree: ast.Module) -> _Names:
        bound: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "flux":
                bound |= {alias.asname or alias.name: alias.name for alias in node.names}
            elif isinstance(node, ast.Import):
                bound |= dict(_modules(node))
        return cls(bound)

    def decorator(self, node: _Function, kind: str) -> _Decorator | None:
        """The decorator of that kind on a function, if there is one."""
        for decorator in node.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            target = call.func if call else decorator
            if call and isinstance(target, ast.Attribute) and target.attr == "with_options":
                target = target.value
            if self._kind(target) == kind:
                return _Decorator(_literals(call) if call else {})
        return None

    def _kind(self, target: ast.expr) -> str:
        if isinstance(target, ast.Name):
            return self.bound.get(target.id, "")
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
            return target.attr if self.bound.get(target.value.id) == "flux" else ""
        return ""


def _modules(node: ast.Import) -> Iterator[tuple[str, str]]:
    for alias in node.names:
        if alias.name.split(".")[0] == "flux":
            yield alias.asname or "flux", "flux"


def _literals(call: ast.Call) -> dict[str, Any]:
    options = {}
    for keyword in call.keywords:
        try:
            options[keyword.arg or ""] = ast.literal_eval(keyword.value)
        except (ValueError, TypeError):
            continue  # computed: only importing would tell
    return options


def _named(node: _Function, decorator: _Decorator) -> str:
    return str(decorator.options.get("name") or node.name)


def _spec(node: _Function, decorator: _Decorator, tasks: tuple[str, ...]) -> WorkflowSpec:
    given = decorator.options
    return WorkflowSpec(
        namespace=str(given.get("namespace") or DEFAULT_NAMESPACE),
        name=_named(node, decorator),
        attribute=node.name,
        description=ast.get_docstring(node) or "",
        line=node.lineno,
        tasks=tasks,
        options={name: given[name] for name in _OPTIONS if given.get(name)},
    )
