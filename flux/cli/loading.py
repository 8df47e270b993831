"""Importing a user's file by its path, for `flux exec`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from flux.codec.names import module_name
from flux.errors import UsageError, WorkflowCatalogError, WorkflowNotFoundError

if TYPE_CHECKING:
    from flux.engine.workflow import Workflow


def load_file(path: Path) -> ModuleType:
    """Import a file as the module it is, so that its siblings and relative imports work.

    `if __name__ == "__main__":` does not run. Raises `UsageError` when there is no such file and
    `WorkflowCatalogError`, with the traceback of the user's code, when importing it fails.
    """
    file = path.expanduser().resolve()
    if not file.is_file():
        raise UsageError(f"There is no file '{path}'.")
    name, root = module_name(file)
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        if "." in name:
            return importlib.import_module(name)
        return _import_path(name, file)
    except SyntaxError as error:
        text = "".join(traceback.format_exception_only(error)).rstrip()
        raise WorkflowCatalogError(f"'{path}' cannot be imported.\n{text}") from error
    except (Exception, SystemExit) as error:
        text = "".join(traceback.format_exception(type(error), error, _own_frames(error, file))).rstrip()
        raise WorkflowCatalogError(f"'{path}' cannot be imported.\n{text}") from error


def find_workflow(module: ModuleType, name: str, path: Path) -> Workflow[Any, Any]:
    """The workflow of a module by `name`, `namespace/name` or the variable that holds it.

    Raises `WorkflowNotFoundError` that lists what there is.
    """
    from flux.engine.workflow import Workflow

    found = {attribute: value for attribute, value in vars(module).items() if isinstance(value, Workflow)}
    for workflow in found.values():
        if name in (str(workflow.ref), workflow.name):
            return workflow
    if name in found:
        return found[name]
    names = ", ".join(sorted({str(workflow.ref) for workflow in found.values()}))
    there = f"It has {names}." if names else "It has no workflows."
    hint = "Name one of them." if names else "Decorate an async function with @workflow."
    raise WorkflowNotFoundError(name, f"There is no workflow '{name}' in '{path}'. {there}", hint=hint)


def _import_path(name: str, file: Path) -> ModuleType:
    # A script called queue.py must not stand in for the library's module of that name.
    known = name if name not in sys.stdlib_module_names else f"{name}_"
    spec = importlib.util.spec_from_file_location(known, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"'{file.name}' is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[known] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[known]
        raise
    return module


def _own_frames(error: BaseException, file: Path) -> TracebackType | None:
    """The traceback from the user's file on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != str(file):
        trace = trace.tb_next
    return trace or error.__traceback__
