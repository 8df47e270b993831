"""What an imported file offers: its workflows, its tasks, and where they stand."""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

from flux.domain import Manifest, WorkflowRef, WorkflowSpec
from flux.engine.task import Task
from flux.engine.workflow import Workflow
from flux.errors import WorkflowCatalogError

if TYPE_CHECKING:
    from types import CodeType


def manifest_of(module: ModuleType) -> Manifest:
    """The workflows that `module` defines or re-exports, in the order of their names' first binding.

    Raises:
        WorkflowCatalogError: two different workflows have the same namespace and name.
    """
    tasks = _task_names(module)
    return Manifest(tuple(_spec(module, name, found, tasks) for name, found in _workflows(module).values()))


def workflows_of(module: ModuleType) -> Mapping[WorkflowRef, Workflow[Any, Any]]:
    """The workflow objects themselves, by address."""
    return {ref: found for ref, (_, found) in _workflows(module).items()}


def _workflows(module: ModuleType) -> dict[WorkflowRef, tuple[str, Workflow[Any, Any]]]:
    workflows: dict[WorkflowRef, tuple[str, Workflow[Any, Any]]] = {}
    for name, value in vars(module).items():
        if not isinstance(value, Workflow):
            continue
        ref = WorkflowRef(value.namespace, value.name)
        earlier = workflows.setdefault(ref, (name, value))
        if earlier[1] is not value:
            raise WorkflowCatalogError(
                f"Two workflows are named '{ref}': {earlier[0]} {_where(earlier[1])} and {name} {_where(value)}.",
                hint="Give one of them another name or namespace.",
            )
    return workflows


def _spec(module: ModuleType, attribute: str, found: Workflow[Any, Any], tasks: tuple[str, ...]) -> WorkflowSpec:
    code = _code(found)
    line = _line(code) if code is not None and code.co_filename == module.__file__ else 0
    return replace(found.spec(attribute=attribute, tasks=tasks), line=line)


def _task_names(module: ModuleType) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(task.name) for task in _tasks(module)))


def _tasks(module: ModuleType) -> Iterator[Task[Any, Any]]:
    for value in vars(module).values():
        if isinstance(value, Task) and getattr(value.func, "__module__", None) == module.__name__:
            yield value


def _code(found: Workflow[Any, Any]) -> CodeType | None:
    code: CodeType | None = getattr(inspect.unwrap(found.func), "__code__", None)
    return code


def _line(code: CodeType) -> int:
    """Line of the `def`; Python counts a function from its first decorator."""
    for number in range(code.co_firstlineno, code.co_firstlineno + 100):
        text = linecache.getline(code.co_filename, number)
        if not text:
            break
        if text.lstrip().startswith(("def ", "async def ")):
            return number
    return code.co_firstlineno


def _where(found: Workflow[Any, Any]) -> str:
    code = _code(found)
    return f"({code.co_filename}:{_line(code)})" if code is not None else "(unknown)"
