"""What is known of a workflow without running it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from flux.errors import UsageError

DEFAULT_NAMESPACE = "default"
RESERVED_NAMES = frozenset(
    {
        *("run", "resume", "status", "cancel", "versions", "mcp", "health", "ready", "metrics", "docs"),
        *("openapi.json", "inspect", "workflows", "executions", "events", "workers", "schedules", "services"),
        *("admin", "waits", "logs", "reloads"),
    }
)
"""First or last segments of HTTP routes: no workflow may be called like one."""
_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_.-]*$")


@dataclass(frozen=True, slots=True)
class WorkflowRef:
    """A workflow's address: `name` (namespace `default`) or `namespace/name`.

    Example:
        >>> WorkflowRef.parse("shop/order")
        WorkflowRef(namespace='shop', name='order')
        >>> str(WorkflowRef.parse("hello"))
        'default/hello'
    """

    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `UsageError` when `text` is neither form."""
        namespace, _, name = text.rpartition("/")
        if not name or "/" in namespace:
            raise UsageError(f"'{text}' is not a workflow reference.", hint="Write `name` or `namespace/name`.")
        return cls(namespace or DEFAULT_NAMESPACE, name)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def check_name(kind: str, name: str) -> str:
    """The name itself if it can be used; raises `UsageError` otherwise."""
    if not _NAME.match(name):
        raise UsageError(
            f"'{name}' cannot name a {kind}.", hint="Use letters, digits, `_`, `-` and `.`, a letter first."
        )
    if kind == "workflow" and name in RESERVED_NAMES:
        raise UsageError(f"'{name}' cannot name a workflow: the HTTP API uses it.", hint="Choose another name.")
    return name


@dataclass(frozen=True, slots=True)
class ResourceRequest:
    """What a worker must have to run a workflow.

    Attributes:
        cpu: cores. memory: text such as "2Gi" or bytes. gpu: devices. disk: as memory.
        packages: Python packages, with optional version specifiers.
    """

    memory: str | int | None = None
    cpu: float | None = None
    disk: str | int | None = None
    gpu: int | None = None
    packages: tuple[str, ...] | list[str] | None = None

    @classmethod
    def with_memory(cls, memory: str | int) -> Self:
        """Only memory."""
        return cls(memory=memory)

    @classmethod
    def with_cpu(cls, cpu: float) -> Self:
        """Only cores."""
        return cls(cpu=cpu)

    @classmethod
    def with_disk(cls, disk: str | int) -> Self:
        """Only disk."""
        return cls(disk=disk)

    @classmethod
    def with_gpu(cls, gpu: int) -> Self:
        """Only devices."""
        return cls(gpu=gpu)

    @classmethod
    def with_packages(cls, packages: list[str]) -> Self:
        """Only packages."""
        return cls(packages=packages)


@dataclass(frozen=True, slots=True)
class WorkflowSpec:
    """One workflow of a manifest, found by importing its file in a runner or by reading it with `ast`.

    Attributes:
        attribute: name in the entry module that holds it.
        input_schema: JSON schema of the input, or None when the input is not typed.
        line: line of the definition in the entry file (1-based; 0 when unknown).
        tasks: names of the tasks that the file defines.
        options: further options as plain JSON values (timeout, durability, schedule, requests…).
    """

    namespace: str
    name: str
    attribute: str = ""
    description: str = ""
    input_schema: Mapping[str, Any] | None = None
    output_schema: Mapping[str, Any] | None = None
    line: int = 0
    tasks: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ref(self) -> WorkflowRef:
        """Its address."""
        return WorkflowRef(self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The workflows of one file."""

    workflows: tuple[WorkflowSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class Bundle:
    """Content-addressed source: one file and the local modules it imports.

    Attributes:
        digest: hex SHA-256 over entry, and over the name and source of every module.
        entry: module name of the file with the workflows.
        modules: module name → (original path, source).
    """

    digest: str
    entry: str
    modules: Mapping[str, Module]

    @property
    def path(self) -> str:
        """Original path of the entry file."""
        return self.modules[self.entry].path


@dataclass(frozen=True, slots=True)
class Module:
    """One source file of a bundle.

    Attributes:
        path: where it stood, so that tracebacks and editors find it.
        source: its text.
        package: whether it is a package's `__init__.py`.
    """

    path: str
    source: str
    package: bool = False


@dataclass(frozen=True, slots=True)
class WorkflowVersion:
    """One published version of a workflow.

    Attributes:
        version: 1..n in its namespace and name.
        digest: the bundle it runs.
        created_at: microseconds UTC.
    """

    spec: WorkflowSpec
    version: int
    digest: str
    created_at: int
    path: str = ""
