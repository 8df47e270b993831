"""`@workflow`: an async function that runs durably."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, ParamSpec, Protocol, TypeVar
from weakref import WeakValueDictionary

from flux.domain.workflow import DEFAULT_NAMESPACE, WorkflowRef, WorkflowSpec, check_name
from flux.engine.context import ExecutionContext
from flux.engine.options import Configured, WorkflowOptions, changed
from flux.engine.types import input_type, json_schema, output_type
from flux.errors import UsageError

I = TypeVar("I")  # noqa: E741  # input
O = TypeVar("O")  # noqa: E741  # output
P = ParamSpec("P")

_DEFAULTS = WorkflowOptions()


class Workflow(Configured, Generic[I, O]):
    """A workflow: run it here with `run`, or register its file with a server.

    Attributes:
        func: the function itself; it takes one argument, the `ExecutionContext`.
        options: all options; each can be read as an attribute of the workflow too.
    """

    options: WorkflowOptions

    def __init__(
        self, func: Callable[[ExecutionContext[I]], Awaitable[O]], options: WorkflowOptions = _DEFAULTS
    ) -> None:
        _check_signature(func)
        self.func = func
        self.options = options
        self.name = check_name("workflow", options.name or func.__name__)
        self.namespace = check_name("namespace", options.namespace or DEFAULT_NAMESPACE)
        self.description = inspect.getdoc(func) or ""
        self.__name__ = func.__name__
        self.__qualname__ = func.__qualname__
        self.__module__ = func.__module__
        self.__doc__ = func.__doc__
        self.__wrapped__ = func
        _defined[self.ref] = self

    @property
    def ref(self) -> WorkflowRef:
        """Namespace and name."""
        return WorkflowRef(self.namespace, self.name)

    @property
    def qualified_name(self) -> str:
        """`namespace/name`."""
        return str(self.ref)

    @functools.cached_property
    def input_type(self) -> Any:
        """The `T` of `ExecutionContext[T]`, or None."""
        return input_type(self.func)

    @property
    def line(self) -> int:
        """Line of the definition in its file."""
        return self.func.__code__.co_firstlineno

    def spec(self, *, attribute: str = "", line: int = 0, tasks: Sequence[str] = ()) -> WorkflowSpec:
        """What is known of it without running it."""
        return WorkflowSpec(
            namespace=self.namespace,
            name=self.name,
            attribute=attribute or self.__name__,
            description=self.description,
            input_schema=json_schema(self.input_type),
            output_schema=json_schema(output_type(self.func)),
            line=line or self.line,
            tasks=tuple(tasks),
            options=self._plain_options(),
        )

    def _plain_options(self) -> Mapping[str, Any]:
        chosen = self.options
        requests = dataclasses.asdict(chosen.requests) if chosen.requests is not None else {}
        options = {
            "timeout": chosen.timeout,
            "durability": chosen.durability,
            "requests": {name: value for name, value in requests.items() if value is not None},
        }
        return {name: value for name, value in options.items() if value}

    def run(self, input: Any = None, execution_id: str | None = None) -> ExecutionContext[I]:
        """Run here and now, durable in the local store, and return the context.

        With the `execution_id` of a paused or interrupted execution it goes on with that one. A failed
        workflow does not raise: look at `ctx.state` and `ctx.output`.

        Raises `InvalidInputError` when the input does not fit, `UsageError` inside a running loop (there:
        `await wf.run_async(...)`), `ExecutionContextNotFoundError` for an unknown id.

        Example:
            >>> ctx = hello.run("Ada")  # doctest: +SKIP
            >>> ctx.output  # doctest: +SKIP
            'Hello, Ada'
        """
        from flux.local import run

        return run(self, input, execution_id)

    def resume(self, execution_id: str, input: Any = None, wait: str | None = None) -> ExecutionContext[I]:
        """Answer a pause of a local execution and go on with it.

        Args:
            wait: name or id of the pause, when several are open.

        Raises `InvalidInputError` when the answer does not fit (the execution stays paused),
        `NotPausedError`, `WaitAmbiguousError`, `ExecutionContextNotFoundError`.
        """
        from flux.local import resume

        return resume(self, execution_id, input, wait)

    async def run_async(self, input: Any = None, execution_id: str | None = None) -> ExecutionContext[I]:
        """`run` for code inside a running event loop."""
        from flux.local import run_async

        return await run_async(self, input, execution_id)

    async def resume_async(self, execution_id: str, input: Any = None, wait: str | None = None) -> ExecutionContext[I]:
        """`resume` for code inside a running event loop."""
        from flux.local import resume_async

        return await resume_async(self, execution_id, input, wait)

    def __call__(self, ctx: ExecutionContext[I]) -> Any:
        """Workflows are not called: `run` them, or start them as a child with `call`."""
        raise UsageError(
            f"The workflow '{self.name}' cannot be called directly.",
            hint="Use `.run(input)`, or `await call(workflow, input)` inside another workflow.",
        )

    def __repr__(self) -> str:
        return f"<workflow {self.ref}>"


_defined: WeakValueDictionary[WorkflowRef, Workflow[Any, Any]] = WeakValueDictionary()


def defined(ref: WorkflowRef) -> Workflow[Any, Any] | None:
    """The workflow of that name that was defined last in this process: local runs find children by it."""
    return _defined.get(ref)


def _check_signature(func: Callable[..., Any]) -> None:
    if not inspect.iscoroutinefunction(func):
        raise UsageError(
            f"The workflow '{getattr(func, '__name__', func)}' is not an async function.",
            hint="Write `async def`; put blocking work into plain `def` tasks.",
        )
    if len(inspect.signature(func).parameters) != 1:
        raise UsageError(
            f"The workflow '{func.__name__}' must take exactly one argument, the context.",
            hint="Write `async def NAME(ctx: ExecutionContext[InputType])`.",
        )


class Decorate(Protocol):
    """Makes a workflow of a function: the types of its input and output stay what they are."""

    def __call__(self, func: Callable[[ExecutionContext[I]], Awaitable[O]], /) -> Workflow[I, O]:
        """Make a workflow of an async function of one argument."""
        ...


def _with_options(options: Callable[P, WorkflowOptions]) -> Callable[P, Decorate]:
    def with_options(*args: P.args, **given: P.kwargs) -> Decorate:
        """A decorator that makes a workflow with these options. Raises `UsageError` for wrong ones."""
        chosen = changed(_DEFAULTS, *args, **given)

        def decorate(func: Callable[[ExecutionContext[I]], Awaitable[O]], /) -> Workflow[I, O]:
            return Workflow(func, chosen)

        return decorate

    return with_options


class WorkflowDecorator:
    """The type of `workflow`: a decorator, bare or with options.

    Example:
        >>> from flux import ExecutionContext, workflow
        >>> @workflow.with_options(name="order", namespace="shop", timeout=3600)
        ... async def place_order(ctx: ExecutionContext[dict]): ...
    """

    with_options = staticmethod(_with_options(WorkflowOptions))

    def __call__(self, func: Callable[[ExecutionContext[I]], Awaitable[O]]) -> Workflow[I, O]:
        """Make a workflow of an async function of one argument."""
        return Workflow(func)


workflow = WorkflowDecorator()
