"""The workflows of a file, read with `ast` alone: nothing of the file is executed.

What only importing would tell is not known here: schemas of inputs and outputs, computed options.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from flux.catalog.decorated import Decorated, decorated
from flux.domain import Bundle, Manifest, WorkflowRef, WorkflowSpec
from flux.domain.workflow import DEFAULT_NAMESPACE, check_name
from flux.engine.source import SourceError, parse
from flux.errors import UsageError

_OPTIONS = ("timeout", "durability")
_DURABILITY = {"durable": "strict", "transient": "relaxed"}
_UNKNOWN = object()


def read_manifest(bundle: Bundle) -> Manifest:
    """The workflows that the entry module of a bundle defines, in the order of the file.

    Names may be literals or constants of the module.

    Raises:
        SourceError: the file does not parse, two workflows share a name, or a name is computed or not allowed.

    Example:
        >>> from flux.domain import Module
        >>> source = "from flux import workflow\\n@workflow\\nasync def hello(ctx): ..."
        >>> [str(spec.ref) for spec in read_manifest(Bundle("", "m", {"m": Module("m.py", source)})).workflows]
        ['default/hello']
    """
    module = bundle.modules[bundle.entry]
    tree = parse(module.source, module.path)
    constants = _constants(tree)
    found = decorated(tree)
    tasks = tuple(dict.fromkeys(_task_name(one, constants) for one in found if one.kind == "task"))
    specs: dict[WorkflowRef, WorkflowSpec] = {}
    for one in (one for one in found if one.kind == "workflow"):
        spec = _spec(one, tasks, constants, module.path)
        earlier = specs.setdefault(spec.ref, spec)
        if earlier is not spec:
            raise SourceError(
                module.path, one.line, f"Two workflows are named '{spec.ref}' (also line {earlier.line})."
            )
    return Manifest(tuple(specs.values()))


def _spec(one: Decorated, tasks: Sequence[str], constants: Mapping[str, Any], path: str) -> WorkflowSpec:
    options = {name: _value(node, constants) for name, node in one.options.items()}
    function = one.function.name if one.function is not None else one.attribute
    for name in ("name", "namespace"):
        if options.get(name) is _UNKNOWN:
            raise SourceError(path, one.line, f"The {name} of workflow '{one.attribute}' is computed; write it out.")
    try:
        return WorkflowSpec(
            namespace=check_name("namespace", str(options.get("namespace") or DEFAULT_NAMESPACE)),
            name=check_name("workflow", str(options.get("name") or function)),
            attribute=one.attribute,
            description=(ast.get_docstring(one.function) if one.function is not None else None) or "",
            line=one.function.lineno if one.function is not None else one.line,
            tasks=tuple(tasks),
            options=_plain(options),
        )
    except UsageError as error:
        raise SourceError(path, one.line, str(error)) from None


def _task_name(one: Decorated, constants: Mapping[str, Any]) -> str:
    name = _value(one.options.get("name"), constants)
    own = one.function.name if one.function is not None else one.attribute
    return own if name is _UNKNOWN or not name else str(name)


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a spec carries, as the workflow object itself would give them."""
    kept = {name: options[name] for name in _OPTIONS if options.get(name, _UNKNOWN) is not _UNKNOWN}
    if "durability" in kept:
        kept["durability"] = _DURABILITY.get(kept["durability"], kept["durability"])
    elif "durability" not in options:
        kept["durability"] = "strict"
    return {name: value for name, value in kept.items() if value}


def _constants(tree: ast.Module) -> dict[str, Any]:
    """Names that the module binds to literals, once."""
    values: dict[str, Any] = {}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in targets:
            if isinstance(target, ast.Name):
                values[target.id] = _UNKNOWN if target.id in values else _value(getattr(node, "value", None), {})
    return values


def _value(node: ast.expr | None, constants: Mapping[str, Any]) -> Any:
    if node is None:
        return None
    if isinstance(node, ast.Name):
        return constants.get(node.id, _UNKNOWN)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        return _UNKNOWN
