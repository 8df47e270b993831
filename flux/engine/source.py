"""What belongs to a version of user code: a file and the local modules it imports.

Pure: the disk is reached through the `read` argument.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from flux.domain import Bundle, Module

Read = Callable[[Path], str | None]
"""Text of a file, or None when there is no such file."""

_FOREIGN = sys.stdlib_module_names | {"flux"}
"""Top-level names that never are the user's own: they would shadow what everybody imports."""


def collect(entry: Path, read: Read, roots: Sequence[Path]) -> Bundle:
    """The bundle of a file.

    Args:
        entry: the file with the workflows.
        roots: folders in which local modules are looked for; the first one that contains `entry` names it.

    Raises `FileNotFoundError` when `entry` cannot be read and `SyntaxError` when a module does not parse.

    Example:
        >>> files = {Path("/p/shop.py"): "import rates", Path("/p/rates.py"): "VAT = 0.2"}
        >>> sorted(collect(Path("/p/shop.py"), files.get, [Path("/p")]).modules)
        ['rates', 'shop']
    """
    source = read(entry)
    if source is None:
        raise FileNotFoundError(f"There is no file '{entry}'.")
    name = module_name(entry, roots)
    modules = {name: Module(str(entry), source, entry.name == "__init__.py")}
    waiting = [name]
    while waiting:
        current = waiting.pop()
        for wanted in _imports(current, modules[current]):
            for found, module in _find(wanted, read, roots):
                if found not in modules:
                    modules[found] = module
                    waiting.append(found)
    return bundle_of(name, modules)


def bundle_of(entry: str, modules: Mapping[str, Module]) -> Bundle:
    """A bundle with its digest: over names and sources, not over where they stand on a disk."""
    digest = hashlib.sha256(entry.encode())
    for name in sorted(modules):
        module = modules[name]
        digest.update(f"\x00{name}\x00{module.package}\x00".encode())
        digest.update(module.source.encode("utf-8", "surrogatepass"))
    return Bundle(digest.hexdigest(), entry, dict(modules))


def module_name(path: Path, roots: Sequence[Path]) -> str:
    """Dotted name of a file below the first root that contains it, or its stem."""
    for root in roots:
        if path.is_relative_to(root):
            parts = list(path.relative_to(root).with_suffix("").parts)
            if parts[-1] == "__init__" and len(parts) > 1:
                parts.pop()
            if all(part.isidentifier() for part in parts):
                return ".".join(parts)
    return path.stem


def _imports(name: str, module: Module) -> Iterator[str]:
    """Full names of what a module may import, wherever in it the import stands."""
    package = name if module.package else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(module.source, module.path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(package, node)
            if base:
                yield base
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names if alias.name != "*")


def _base(package: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".") if package else []
    kept = parts[: len(parts) - node.level + 1]
    return ".".join([*kept, node.module] if node.module else kept)


def _find(name: str, read: Read, roots: Sequence[Path]) -> Iterator[tuple[str, Module]]:
    """A local module and the packages around it; nothing when the name is not local."""
    parts = name.split(".")
    if parts[0] in _FOREIGN or not all(parts):
        return
    for root in roots:
        path = root.joinpath(*parts)
        for candidate, package in ((path / "__init__.py", True), (path.with_name(f"{path.name}.py"), False)):
            source = read(candidate)
            if source is not None:
                yield from _packages_around(parts, read, root)
                yield name, Module(str(candidate), source, package)
                return


def _packages_around(parts: Sequence[str], read: Read, root: Path) -> Iterator[tuple[str, Module]]:
    for end in range(1, len(parts)):
        path = root.joinpath(*parts[:end], "__init__.py")
        yield ".".join(parts[:end]), Module(str(path), read(path) or "", package=True)
