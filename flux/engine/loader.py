"""Running a bundle's code from memory, as if its files lay where they once stood.

Modules are compiled under their original paths, so tracebacks, `inspect.getsource` and editors find the
lines, and they keep finding the *recorded* lines after the file on disk has been edited. Nothing is
written to disk.
"""

from __future__ import annotations

import importlib
import linecache
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import ExecutionLoader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from types import CodeType, ModuleType

from flux.domain import Bundle, Module
from flux.errors import WorkflowCatalogError

_HIDDEN = ("<frozen importlib", __file__)
_MAX_TRACEBACK = 20_000


class BundleLoader(ExecutionLoader):
    """Executes one module of a bundle."""

    def __init__(self, name: str, module: Module) -> None:
        self._name = name
        self._module = module

    def get_source(self, fullname: str) -> str:
        """The text of the module; `linecache` asks for it."""
        return self._module.source

    def get_filename(self, fullname: str) -> str:
        """Where the module stood."""
        return self._module.path

    def is_package(self, fullname: str) -> bool:
        """Whether it is a package's `__init__.py`."""
        return self._module.package

    def get_code(self, fullname: str) -> CodeType:
        """The module compiled under its original path."""
        return compile(self._module.source, self._module.path, "exec", dont_inherit=True)


class BundleFinder(MetaPathFinder):
    """Finds the modules of one bundle, and the folders above them that are namespace packages."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._namespaces = _namespaces(bundle)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module of the bundle; None for all others."""
        if (module := self.bundle.modules.get(fullname)) is not None:
            return _spec(fullname, module)
        if (folder := self._namespaces.get(fullname)) is not None:
            return _namespace_spec(fullname, folder, path)
        return None


def load(bundle: Bundle) -> ModuleType:
    """Import the bundle's entry under its own module name.

    The siblings it imports come out of the bundle too; everything else comes from where Python finds it.
    Whatever the code raises on import passes through (`describe_failure` makes it readable).

    Raises:
        WorkflowCatalogError: the file's name hides the `flux` package.

    Example:
        >>> module = load(Bundle("d1", "hello", {"hello": Module("/srv/hello.py", "GREETING = 'hi'")}))
        >>> module.GREETING, module.__name__, module.__file__
        ('hi', 'hello', '/srv/hello.py')
    """
    entry = bundle.entry
    if entry == "flux":
        raise WorkflowCatalogError(
            f"{bundle.path} hides the flux package from itself.", hint="Give the file another name."
        )
    finder = BundleFinder(bundle)
    _forget_former(bundle)
    _remember_lines(bundle)
    sys.meta_path.insert(_before_path_finder(), finder)
    parent, _, child = entry.rpartition(".")
    package = importlib.import_module(parent) if parent else None
    module = _execute(_spec(entry, bundle.modules[entry]))
    if package is not None:
        setattr(package, child, module)
    return module


def unload(bundle: Bundle) -> None:
    """Take the modules of a bundle out of this process again, so that another one can use their names."""
    _forget_former(bundle)
    for name, folder in _namespaces(bundle).items():
        if folder in getattr(sys.modules.get(name), "__path__", ()):
            del sys.modules[name]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a bundle cannot be imported.

    Attributes:
        error: one line, `NameError: name 'x' is not defined`.
        traceback: what Python would print, without the frames of the loader.
        path: file of the bundle in which it happened, or "". line: 1-based, or 0.
    """

    error: str
    traceback: str
    path: str
    line: int


def describe_failure(bundle: Bundle, error: BaseException) -> Failure:
    """What to show to the author of a bundle that `load` could not import."""
    shown = traceback.TracebackException.from_exception(error)
    _strip(shown)
    path, line = _place(bundle, error)
    text = "".join(shown.format())
    return Failure(_sentence(error), text[-_MAX_TRACEBACK:], path, line)


def _spec(name: str, module: Module) -> ModuleSpec:
    spec = ModuleSpec(name, BundleLoader(name, module), origin=module.path, is_package=module.package)
    spec.has_location = True
    if module.package:
        spec.submodule_search_locations = [str(Path(module.path).parent)]
    return spec


def _namespace_spec(name: str, folder: str, path: Sequence[str] | None) -> ModuleSpec:
    spec = ModuleSpec(name, None, is_package=True)
    elsewhere = PathFinder.find_spec(name, path)
    found = elsewhere.submodule_search_locations if elsewhere is not None else None
    spec.submodule_search_locations = list(dict.fromkeys([folder, *(found or ())]))
    return spec


def _namespaces(bundle: Bundle) -> dict[str, str]:
    """Names of packages without an `__init__` in the bundle, with the folder each stood in."""
    found: dict[str, str] = {}
    for name, module in bundle.modules.items():
        folder = Path(module.path).parent
        if module.package:
            folder = folder.parent
        parts = name.split(".")
        for depth in range(len(parts) - 1, 0, -1):
            package = ".".join(parts[:depth])
            if package not in bundle.modules:
                found[package] = str(folder)
            folder = folder.parent
    return found


def _before_path_finder() -> int:
    """Built-in modules keep winning over a sibling of that name, as they do for plain scripts."""
    return sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else 0


def _forget_former(bundle: Bundle) -> None:
    """Drop what an earlier version of these modules left in this process."""
    for name in bundle.modules:
        spec = getattr(sys.modules.get(name), "__spec__", None)
        if spec is not None and isinstance(spec.loader, BundleLoader):
            del sys.modules[name]
    sys.meta_path[:] = [
        finder
        for finder in sys.meta_path
        if not (isinstance(finder, BundleFinder) and finder.bundle.entry == bundle.entry)
    ]


def _remember_lines(bundle: Bundle) -> None:
    """Give `linecache` the recorded lines; without a time stamp it never compares them with the disk."""
    for module in bundle.modules.values():
        lines = [line + "\n" for line in module.source.splitlines()]
        linecache.cache[module.path] = (len(module.source), None, lines, module.path)


def _execute(spec: ModuleSpec) -> ModuleType:
    """Import the entry even when a module of that name is loaded already, as Python does for scripts."""
    former = sys.modules.get(spec.name)
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        assert spec.loader is not None
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        if former is not None:
            sys.modules[spec.name] = former
        raise
    return sys.modules[spec.name]


def _strip(shown: traceback.TracebackException) -> None:
    called = (index for index, frame in enumerate(shown.stack) if (frame.filename, frame.name) == (__file__, "load"))
    frames = shown.stack[next(called, 0) :]
    shown.stack[:] = [frame for frame in frames if not frame.filename.startswith(_HIDDEN)]
    for linked in (shown.__cause__, shown.__context__):
        if linked is not None:
            _strip(linked)


def _place(bundle: Bundle, error: BaseException) -> tuple[str, int]:
    paths = {module.path for module in bundle.modules.values()}
    if isinstance(error, SyntaxError) and error.filename in paths:
        return error.filename or "", error.lineno or 0
    path, line = bundle.path, 0
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename in paths:
            path, line = frame.f_code.co_filename, number
    return path, line


def _sentence(error: BaseException) -> str:
    name = type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{name}: {error.msg}"
    if isinstance(error, SystemExit):
        return f"{name}: the file calls sys.exit({error.code!r}) when it is imported"
    try:
        text = str(error)
    except Exception:
        text = "<its message cannot be read>"
    return f"{name}: {text}" if text else name
