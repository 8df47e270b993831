"""`@task`: a function whose outcome is recorded."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from flux.codec.digest import digest
from flux.engine.calls import Call, caller_location
from flux.engine.frame import Frame, current_frame
from flux.engine.naming import NameTemplate, takes
from flux.engine.options import CommonOptions, Configured, TaskOptions, changed
from flux.errors import UsageError

P = ParamSpec("P")
Q = ParamSpec("Q")
Common = ParamSpec("Common")
Every = ParamSpec("Every")
R = TypeVar("R")
Owner = TypeVar("Owner")
R_co = TypeVar("R_co", covariant=True)
_DEFAULTS = TaskOptions()


@dataclass(frozen=True, slots=True)
class TaskMetadata:
    """What a task with `metadata=True` receives as its keyword argument `metadata`."""

    task_id: str
    task_name: str


def _changing(options: Callable[Every, TaskOptions]) -> Callable[Concatenate[Task[P, R], Every], Task[P, R]]:
    def with_options(task: Task[P, R], /, *args: Every.args, **given: Every.kwargs) -> Task[P, R]:
        """A new task with some options changed; None brings a default back. Raises `UsageError` for wrong ones."""
        other: Task[P, R] = Task(task.func, changed(task.options, *args, **given))
        other._bound = task._bound
        return other

    return with_options


class _OwnSignature:
    """The signature of a task's function; without the object that a method is called on."""

    def __get__(self, task: Task[Any, Any] | None, owner: type) -> inspect.Signature | None:
        if task is None:  # of the class itself nothing special is known
            return None
        signature = inspect.signature(task.func)
        return signature.replace(parameters=list(signature.parameters.values())[len(task._bound) :])


class Task(Configured, Generic[P, R]):
    """A task: call it inside a workflow and await the result.

    Its outcome is durable before the workflow goes on, and it never runs again in that execution.

    Attributes:
        func: the function itself.
        name: the function's, unless an option gives another; may be a template over the arguments.
        options: all options; each can be read as an attribute of the task too.
    """

    options: TaskOptions

    def __init__(self, func: Callable[P, Any], options: TaskOptions = _DEFAULTS) -> None:
        _check_function(func, options)
        self.func = func
        self.options = options
        self.name: str = options.name or str(getattr(func, "__name__", type(func).__name__))
        self.description = inspect.getdoc(func) or ""
        self.is_async = inspect.iscoroutinefunction(func)
        self._bound: tuple[Any, ...] = ()
        self._names = _parameter_names(func)
        self._owned = self._names[:1] in (("self",), ("cls",))
        self._template = NameTemplate(self.name, func) if "{" in self.name or "}" in self.name else None
        self.__name__ = getattr(func, "__name__", self.name)
        self.__qualname__ = getattr(func, "__qualname__", self.name)
        self.__module__ = getattr(func, "__module__", "")
        self.__doc__ = func.__doc__
        self.__wrapped__ = func

    __signature__ = _OwnSignature()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """A coroutine of the task's result; failures arrive as `ExecutionError`.

        Raises `ExecutionError` when awaited outside of a workflow.
        """
        performing: Any = self._perform((*self._bound, *args), kwargs, caller_location())
        performing.__qualname__ = self.__qualname__  # what Python and Flux call it where an `await` was forgotten
        return performing  # type: ignore[no-any-return]  # mypy knows no names of coroutines

    async def _perform(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], location: str) -> R:
        frame = current_frame()
        policies = _policies()
        call = self._identify(frame, args, kwargs, location)
        attempt = policies.Attempted(frame.session, self, call, args, kwargs, self._injected(call))
        body, undo = partial(policies.carry_out, attempt), partial(policies.roll_back, attempt)
        outcome: R
        if self.options.output_storage is None:
            outcome = await frame.session.perform(call, body, undo)
        else:
            outcome = await policies.perform_kept(attempt, body, undo)
        return outcome

    def _identify(self, frame: Frame, args: tuple[Any, ...], kwargs: Mapping[str, Any], location: str) -> Call:
        name = self._template.fill(args, kwargs) if self._template else self.name
        digested = digest(args, dict(kwargs))
        call_id = frame.session.calls.identify(frame.path, name, digested, frame.call_id)
        if self._template:
            name, call_id = frame.session.shown(name, call_id)
        return Call(call_id, name, frame.call_id, digested, location, self._shown_arguments(args, kwargs))

    def _shown_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """What the event tells: not the object or class that a method is called on."""
        own = len(self._bound) or int(self._owned)
        names, given = (self._names[own:], args[own:]) if own else (self._names, args)
        arguments = dict(zip(names, given, strict=False))
        if len(args) > len(self._names):
            arguments["args"] = args[len(self._names) :]
        return {**arguments, **kwargs} if kwargs else arguments

    def _injected(self, call: Call) -> dict[str, Any]:
        return {"metadata": TaskMetadata(call.id, call.name)} if self.options.metadata else {}

    def map(
        self, items: Iterable[Any], *, max_concurrent: int | None = None, raise_on_error: bool = True
    ) -> Coroutine[Any, Any, list[R]]:
        """One call for each item, concurrently; results in the order of the items.

        Args:
            max_concurrent: calls that run at once; None for all.
            raise_on_error: raise the first failure; False puts None in the failed slots.
        """
        location = caller_location()
        calls = [self._branch((*self._bound, item), location) for item in items]
        return _run_all(f"{self.__qualname__}.map", calls, max_concurrent, raise_on_error)

    def starmap(
        self, items: Iterable[Iterable[Any]], *, max_concurrent: int | None = None, raise_on_error: bool = True
    ) -> Coroutine[Any, Any, list[R]]:
        """`map` for items that are tuples of arguments."""
        location = caller_location()
        calls = [self._branch((*self._bound, *item), location) for item in items]
        return _run_all(f"{self.__qualname__}.starmap", calls, max_concurrent, raise_on_error)

    def _branch(self, args: tuple[Any, ...], location: str) -> Callable[[], Coroutine[Any, Any, R]]:
        return lambda: self._perform(args, {}, location)

    with_options = _changing(TaskOptions)

    @overload
    def __get__(self, instance: None, owner: type) -> Task[P, R]: ...
    @overload
    def __get__(self: Task[Concatenate[Owner, Q], R], instance: Owner, owner: type | None = None) -> Task[Q, R]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Tasks work as methods."""
        if instance is None:
            return self
        bound = copy.copy(self)
        bound._bound = (instance,)
        return bound

    @property
    def bound_names(self) -> tuple[str, ...]:
        """Names of the parameters that are given already: `self` of a method."""
        return self._names[: len(self._bound)]

    def __repr__(self) -> str:
        return f"<task {self.name}>"


@cache
def _policies() -> Any:
    """The module of the policies, which needs asyncio: only what runs asks for it."""
    from flux.engine import policies

    return policies


def _run_all(
    name: str, calls: Sequence[Callable[[], Coroutine[Any, Any, R]]], max_concurrent: int | None, raise_on_error: bool
) -> Coroutine[Any, Any, list[R]]:
    from flux.engine.branches import run_branches  # only what runs needs asyncio

    running: Any = run_branches("map", calls, max_concurrent=max_concurrent, raise_on_error=raise_on_error)
    running.__qualname__ = name
    return running  # type: ignore[no-any-return]  # mypy knows no names of coroutines


def _check_function(func: Any, options: TaskOptions) -> None:
    name = getattr(func, "__qualname__", repr(func))
    if isinstance(func, staticmethod | classmethod):
        kind = type(func).__name__
        raise UsageError(f"`@task` stands above `@{kind}` at {name}.", hint=f"Write `@{kind}` first, then `@task`.")
    if not callable(func):
        raise UsageError(f"{name} cannot be a task: it cannot be called.", hint="Put `@task` on a function.")
    if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
        raise UsageError(
            f"{name} cannot be a task: it yields values one by one.",
            hint="Return them in a list, or stream them with `progress`.",
        )
    for parameter, option in options.parameters.items():
        if not takes(func, parameter):
            raise UsageError(
                f"{name} has the option {option} and no parameter '{parameter}' to take what it asks for.",
                hint=f"Add '{parameter}' to its parameters.",
            )


def _parameter_names(func: Callable[..., Any]) -> tuple[str, ...]:
    try:
        parameters = inspect.signature(func).parameters.values()
    except (TypeError, ValueError):
        return ()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(parameter.name for parameter in parameters if parameter.kind in positional)


class Decorate(Protocol):
    """Makes a task of a function: its parameters and its result stay what they are."""

    @overload
    def __call__(self, func: Callable[P, Awaitable[R_co]], /) -> Task[P, R_co]: ...
    @overload
    def __call__(self, func: Callable[P, R_co], /) -> Task[P, R_co]: ...


class DecorateInjecting(Protocol):
    """Makes a task of a function some of whose parameters Flux fills in, so that callers leave them out."""

    @overload
    def __call__(self, func: Callable[..., Awaitable[R_co]], /) -> Task[..., R_co]: ...
    @overload
    def __call__(self, func: Callable[..., R_co], /) -> Task[..., R_co]: ...


class WithOptions(Generic[Common, Every]):
    """The type of `task.with_options`: it takes what the records of options take, by keyword."""

    def __init__(self, common: Callable[Common, CommonOptions], every: Callable[Every, TaskOptions]) -> None:
        self._every = every
        self.__signature__ = inspect.signature(every)

    @overload
    def __call__(self, *args: Common.args, **options: Common.kwargs) -> Decorate: ...
    @overload
    def __call__(self, *args: Every.args, **options: Every.kwargs) -> DecorateInjecting: ...
    def __call__(self, *args: Any, **options: Any) -> Any:
        """A decorator that makes a task with these options. Raises `UsageError` for wrong ones."""
        chosen = changed(_DEFAULTS, *args, **options)
        return lambda func: Task(func, chosen)


class TaskDecorator:
    """The type of `task`: a decorator, bare or with options.

    Example:
        >>> from flux import task
        >>> @task
        ... async def fetch(url: str) -> str: ...
        >>> @task.with_options(retry_max_attempts=3, timeout=10)
        ... def parse(text: str) -> dict: ...
    """

    with_options = WithOptions(CommonOptions, TaskOptions)

    @overload
    def __call__(self, func: Callable[P, Awaitable[R_co]]) -> Task[P, R_co]: ...
    @overload
    def __call__(self, func: Callable[P, R_co]) -> Task[P, R_co]: ...
    def __call__(self, func: Callable[..., Any] | None = None, **options: Any) -> Task[..., Any]:
        """Make a task of a function. Raises `UsageError` for what cannot be one."""
        if func is None or options:
            given = ", ".join(f"{name}=…" for name in options)
            raise UsageError(
                f"`@task({given})` makes no task.",
                hint=f"Write `@task`, or `@task.with_options({given or 'timeout=5'})`.",
            )
        return Task(func)


task = TaskDecorator()
