"""`@task`: a function whose outcome is recorded."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from flux.codec.digest import digest
from flux.engine.calls import Call, caller_location
from flux.engine.frame import Frame, current_frame

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class TaskMetadata:
    """What a task with `metadata=True` receives as its keyword argument `metadata`."""

    task_id: str
    task_name: str


class Task(Generic[P, R]):
    """A task: call it inside a workflow and await the result.

    Its outcome is durable before the workflow goes on, and it never runs again in that execution.

    Attributes:
        func: the function itself.
        timeout: seconds for each attempt, 0 for none.
        retry_max_attempts: further attempts after the first.
        retry_delay: seconds before the first retry; then times `retry_backoff` each.
        fallback: called with the task's arguments (or none) when it failed; its value becomes the task's.
        rollback: called when there is no fallback or it failed too, and when the task is cancelled.
    """

    def __init__(
        self,
        func: Callable[P, Any],
        *,
        name: str | None = None,
        retry_max_attempts: int = 0,
        retry_delay: float = 1,
        retry_backoff: float = 2,
        timeout: float = 0,
        fallback: Callable[..., Any] | None = None,
        rollback: Callable[..., Any] | None = None,
        secret_requests: Sequence[str] = (),
        config_requests: Sequence[str] = (),
        cache: bool = False,
        metadata: bool = False,
        output_storage: Any = None,
        auth_exempt: bool = False,
    ) -> None:
        self.func = func
        self.name: str = name or str(getattr(func, "__name__", type(func).__name__))
        self.description = inspect.getdoc(func) or ""
        self.retry_max_attempts = retry_max_attempts
        self.retry_delay = retry_delay
        self.retry_backoff = retry_backoff
        self.timeout = timeout
        self.fallback = fallback
        self.rollback = rollback
        self.secret_requests = list(secret_requests)
        self.config_requests = list(config_requests)
        self.cache = cache
        self.metadata = metadata
        self.output_storage = output_storage
        self.auth_exempt = auth_exempt
        self._bound: tuple[Any, ...] = ()
        self._names = _parameter_names(func)
        self._template = "{" in self.name
        self.__name__ = getattr(func, "__name__", self.name)
        self.__qualname__ = getattr(func, "__qualname__", self.name)
        self.__module__ = getattr(func, "__module__", "")
        self.__doc__ = func.__doc__
        self.__wrapped__ = func

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """A coroutine of the task's result; failures arrive as `ExecutionError`.

        Raises `ExecutionError` when awaited outside of a workflow.
        """
        return self._perform((*self._bound, *args), kwargs, caller_location())

    async def _perform(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], location: str) -> R:
        frame = current_frame()
        policies = _policies()
        call = self._identify(frame, args, kwargs, location)
        attempt = policies.Attempted(frame.session, self, call, args, kwargs, self._injected(call))
        undo = partial(policies.roll_back, attempt)
        return cast(R, await frame.session.perform(call, policies.with_policies(attempt), undo))

    def _identify(self, frame: Frame, args: tuple[Any, ...], kwargs: Mapping[str, Any], location: str) -> Call:
        arguments = dict(zip(self._names, args, strict=False))
        if len(args) > len(self._names):
            arguments["args"] = args[len(self._names) :]
        arguments |= kwargs
        name = self.name.format(**arguments) if self._template else self.name
        digested = digest(args, dict(kwargs))
        call_id = frame.session.calls.identify(frame.path, name, digested, frame.call_id)
        return Call(call_id, name, frame.call_id, digested, location, arguments)

    def _injected(self, call: Call) -> dict[str, Any]:
        return {"metadata": TaskMetadata(call.id, call.name)} if self.metadata else {}

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
        return _run_all(calls, max_concurrent, raise_on_error)

    def starmap(
        self, items: Iterable[Iterable[Any]], *, max_concurrent: int | None = None, raise_on_error: bool = True
    ) -> Coroutine[Any, Any, list[R]]:
        """`map` for items that are tuples of arguments."""
        location = caller_location()
        calls = [self._branch((*self._bound, *item), location) for item in items]
        return _run_all(calls, max_concurrent, raise_on_error)

    def _branch(self, args: tuple[Any, ...], location: str) -> Callable[[], Coroutine[Any, Any, R]]:
        return lambda: self._perform(args, {}, location)

    def with_options(self, **options: Any) -> Task[P, R]:
        """A new task with some options changed; takes what `task.with_options` takes."""
        current = {name: getattr(self, name) for name in _OPTIONS}
        changed: Task[P, R] = Task(self.func, **(current | options))
        changed._bound = self._bound
        return changed

    def __get__(self, instance: Any, owner: type | None = None) -> Task[..., R]:
        """Tasks work as methods."""
        if instance is None:
            return self
        bound = copy.copy(self)
        bound._bound = (instance,)
        return bound

    def __repr__(self) -> str:
        return f"<task {self.name}>"


_OPTIONS = tuple(
    name for name, kind in inspect.signature(Task.__init__).parameters.items() if kind.kind is kind.KEYWORD_ONLY
)


@cache
def _policies() -> Any:
    """The module of the policies, which needs asyncio: only what runs asks for it."""
    from flux.engine import policies

    return policies


def _run_all(
    calls: Sequence[Callable[[], Coroutine[Any, Any, R]]], max_concurrent: int | None, raise_on_error: bool
) -> Coroutine[Any, Any, list[R]]:
    from flux.engine.branches import run_branches  # only what runs needs asyncio

    return run_branches("map", calls, max_concurrent=max_concurrent, raise_on_error=raise_on_error)


def _parameter_names(func: Callable[..., Any]) -> tuple[str, ...]:
    try:
        parameters = inspect.signature(func).parameters.values()
    except (TypeError, ValueError):
        return ()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(parameter.name for parameter in parameters if parameter.kind in positional)


class TaskDecorator:
    """The type of `task`: a decorator, bare or with options.

    Example:
        >>> from flux import task
        >>> @task
        ... async def fetch(url: str) -> str: ...
        >>> @task.with_options(retry_max_attempts=3, timeout=10)
        ... def parse(text: str) -> dict: ...
    """

    @overload
    def __call__(self, func: Callable[P, Awaitable[R_co]]) -> Task[P, R_co]: ...
    @overload
    def __call__(self, func: Callable[P, R_co]) -> Task[P, R_co]: ...
    def __call__(self, func: Callable[..., Any]) -> Task[..., Any]:
        """Make a task of a function."""
        return Task(func)

    def with_options(
        self,
        *,
        name: str | None = None,
        retry_max_attempts: int = 0,
        retry_delay: float = 1,
        retry_backoff: float = 2,
        timeout: float = 0,
        fallback: Callable[..., Any] | None = None,
        rollback: Callable[..., Any] | None = None,
        secret_requests: Sequence[str] = (),
        config_requests: Sequence[str] = (),
        cache: bool = False,
        metadata: bool = False,
        output_storage: Any = None,
        auth_exempt: bool = False,
    ) -> Callable[[Callable[..., Any]], Task[..., Any]]:
        """A decorator that makes a task with these options.

        Args:
            name: name in events; may refer to arguments, as in `"load_{table}"`.
            retry_max_attempts: further attempts after the first.
            retry_delay: seconds before the first retry.
            retry_backoff: factor from one retry's delay to the next.
            timeout: seconds for each attempt, 0 for none.
            fallback: gives the task's value when all attempts failed.
            rollback: undoes when there is no fallback or it failed, or when the task is cancelled.
            metadata: pass `metadata: TaskMetadata` to the function.
        """
        options = {key: value for key, value in locals().items() if key != "self"}
        return lambda func: Task(func, **options)


task = TaskDecorator()
