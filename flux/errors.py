"""Every error Flux raises, one tree.

```
FluxError                          code, status, exit_code, hint
├─ ExecutionError                  a task or workflow of the user's failed
│  ├─ RetryError                   … after its retries
│  ├─ ExecutionTimeoutError        … by running out of time (also named ExecutionTimedOut)
│  └─ BudgetExceededError, ModelProviderError
├─ NonDeterminismError             replayed code asks for something else than was recorded
├─ InvalidInputError               input or answer refused, with per-field errors
├─ NotFoundError                   nothing by that name or id
│  ├─ WorkflowNotFoundError, VersionNotFoundError, TaskNotFoundError
│  ├─ ExecutionContextNotFoundError
│  ├─ WaitNotFoundError
│  ├─ WorkerNotFoundError, OutputNotFoundError
│  ├─ ServiceNotFoundError, EndpointNotFoundError
│  └─ SecretNotFoundError, ConfigNotFoundError
├─ ConflictError                   the thing exists, but not in a state that allows this
│  ├─ ExecutionFinishedError, NotPausedError, ExecutionOwnedError
│  ├─ ExecutionCancellingError, ExecutionCancelledError
│  ├─ WaitAmbiguousError, WaitAnsweredError
│  ├─ StaleClaimError
│  ├─ WorkflowAlreadyExistError
│  └─ ServiceExistsError, EndpointCollisionError
├─ WorkflowCatalogError            code that cannot be registered
├─ CodecError                      a value that cannot be stored
│  └─ WrongKeyError                … or was encrypted with another key
├─ ConfigurationError              a wrong setting
├─ UnauthorizedError, ForbiddenError
├─ StoreError                      the database refused
├─ ServerUnavailableError          no server answers at the address
├─ WorkerProcessCrashed            a runner died
├─ UsageError                      the API was called in a way that cannot work
│  ├─ GraphError                   a graph that cannot run
│  └─ TransientDurabilityError
└─ PauseRequested                  kept for code that names it; so are the errors of hooks
```

`code` is stable and machine-readable; `status` is the HTTP status and `exit_code` the process exit
code it maps to. A message says what happened; `hint` says what to do next.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from datetime import datetime


class FluxError(Exception):
    """Base of every error raised by Flux itself.

    Example:
        >>> try:
        ...     raise WorkflowNotFoundError("shop/order")
        ... except FluxError as error:
        ...     print(error.code, error.status)
        workflow_not_found 404
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    hint: str = ""

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().split("\n")[0])
        if hint:
            self.hint = hint

    @property
    def message(self) -> str:
        """What happened, in one or two sentences."""
        return super().__str__()

    def extra(self) -> Mapping[str, Any]:
        """Further JSON members of the problem document (RFC 9457 extension members)."""
        return {}


class ExecutionError(FluxError):
    """A task or workflow failed; `inner_exception` is what the user's code raised."""

    code = "execution_failed"

    def __init__(self, inner_exception: BaseException | None = None, message: str | None = None) -> None:
        self.inner_exception = inner_exception
        super().__init__(message or _describe(inner_exception))
        if inner_exception is not None:
            self.__cause__ = inner_exception


class RetryError(ExecutionError):
    """Every attempt of a task failed."""

    code = "retries_exhausted"

    def __init__(
        self,
        inner_exception: BaseException | None = None,
        attempts: int = 0,
        delay: float = 0,
        backoff: float = 0,
    ) -> None:
        self.attempts = attempts
        self.delay = delay
        self.backoff = backoff
        super().__init__(inner_exception, f"{_describe(inner_exception)} (after {attempts} retries)")


class ExecutionTimeoutError(ExecutionError):
    """A task or workflow ran out of time."""

    code = "timed_out"

    def __init__(self, type: str = "Task", name: str = "", id: str = "", timeout: float = 0) -> None:
        self.type = type
        self.name = name
        self.id = id
        self.timeout = timeout
        super().__init__(None, f"{type} {name} ({id}) timed out ({timeout:g}s).")


class NonDeterminismError(FluxError):
    """Replayed code asked for something else than what is recorded."""

    code = "non_determinism"
    status = 409
    hint = "It goes on with code that fits its history: `flux workflow check FILE` says whether yours does."

    def __init__(
        self,
        message: str = "",
        *,
        recorded: str = "",
        attempted: str = "",
        recorded_at: str = "",
        attempted_at: str = "",
        cause: str = "",
    ) -> None:
        self.recorded = recorded
        self.attempted = attempted
        self.recorded_at = recorded_at
        self.attempted_at = attempted_at
        self.cause = cause
        super().__init__(message or self._sentence())

    def _sentence(self) -> str:
        at = f" at {self.attempted_at}" if self.attempted_at else ""
        recorded_at = f" at {self.recorded_at}" if self.recorded_at else ""
        cause = f" Likely cause: {self.cause}." if self.cause else ""
        return (
            f"Replay diverged. Recorded: {self.recorded}{recorded_at}. "
            f"Now: {self.attempted or 'nothing more'}{at}.{cause}"
        )

    def extra(self) -> Mapping[str, Any]:
        """Both calls, their places, and the likely cause."""
        names = ("recorded", "attempted", "recorded_at", "attempted_at", "cause")
        return {name: getattr(self, name) for name in names}


class InvalidInputError(FluxError):
    """An input or an answer does not fit its type.

    `errors` is a list of `{"loc": [...], "msg": str, "type": str}`, one for each wrong field.
    """

    code = "invalid_input"
    status = 422
    exit_code = 2

    def __init__(self, message: str = "", errors: Sequence[Mapping[str, Any]] = (), *, hint: str = "") -> None:
        self.errors = [dict(error) for error in errors]
        super().__init__(message or self._sentence(), hint=hint)

    def _sentence(self) -> str:
        if not self.errors:
            return "The input is not valid."
        fields = (
            f"{'.'.join(map(str, error.get('loc', ()))) or 'input'}: {error.get('msg', '')}" for error in self.errors
        )
        return "The input is not valid: " + "; ".join(fields) + "."

    def extra(self) -> Mapping[str, Any]:
        """The wrong fields."""
        return {"errors": self.errors}


class NotFoundError(FluxError):
    """Nothing by that name or id."""

    code = "not_found"
    status = 404


class WorkflowNotFoundError(NotFoundError):
    """No workflow of that name is registered."""

    code = "workflow_not_found"
    hint = "List them with `flux workflow list`, or register one with `flux workflow register FILE`."

    def __init__(self, ref: str = "", message: str = "", *, hint: str = "") -> None:
        self.ref = ref
        super().__init__(message or f"Workflow '{ref}' not found.", hint=hint)


class VersionNotFoundError(NotFoundError):
    """The workflow has no such version."""

    code = "version_not_found"
    hint = "List its versions with `flux workflow versions REF`."


class TaskNotFoundError(NotFoundError):
    """No task of that name."""

    code = "task_not_found"


class ExecutionContextNotFoundError(NotFoundError):
    """No execution of that id."""

    code = "execution_not_found"
    hint = "List them with `flux execution list`."

    def __init__(self, execution_id: str = "", message: str = "") -> None:
        self.execution_id = execution_id
        super().__init__(message or f"Execution '{execution_id}' not found.")


class WaitNotFoundError(NotFoundError):
    """The execution has no open wait of that id or name."""

    code = "wait_not_found"


class WorkerNotFoundError(NotFoundError):
    """No worker of that name is registered."""

    code = "worker_not_found"


class OutputNotFoundError(NotFoundError):
    """A stored output is gone."""

    code = "output_not_found"


class ServiceNotFoundError(NotFoundError):
    """No service of that name exists."""

    code = "service_not_found"
    hint = "List them with `flux service list`, or make one with `flux service create NAME`."


class EndpointNotFoundError(NotFoundError):
    """The service offers no workflow of that name."""

    code = "endpoint_not_found"
    hint = "See what it offers with `flux service show NAME`."


class SecretNotFoundError(NotFoundError):
    """No secret of that name."""

    code = "secret_not_found"
    hint = "List them with `flux secrets list`."


class ConfigNotFoundError(NotFoundError):
    """No config of that name."""

    code = "config_not_found"
    hint = "List them with `flux configs list`."


class ConflictError(FluxError):
    """The thing exists, but its state does not allow this."""

    code = "conflict"
    status = 409


class ExecutionFinishedError(ConflictError):
    """The execution is finished: it cannot be resumed or cancelled."""

    code = "execution_finished"


class NotPausedError(ConflictError):
    """The execution does not wait for an answer."""

    code = "not_paused"


class ExecutionCancellingError(ConflictError):
    """The execution is being cancelled."""

    code = "execution_cancelling"


class ExecutionCancelledError(ConflictError):
    """The execution was cancelled."""

    code = "execution_cancelled"


class ExecutionOwnedError(ConflictError):
    """Another live process runs this execution."""

    code = "execution_owned"


class WaitAmbiguousError(ConflictError):
    """Several waits are open: name the one to answer."""

    code = "wait_ambiguous"
    hint = "Choose one with `--wait`, `?wait=` or `wait=`: its name, its id, or the execution that asks."

    def __init__(self, waits: Sequence[Mapping[str, Any]] = (), message: str = "") -> None:
        self.waits = [dict(wait) for wait in waits]
        super().__init__(message or f"Several waits are open: {named_waits(self.waits)}.")

    def extra(self) -> Mapping[str, Any]:
        """The waits to choose from."""
        return {"waits": self.waits}


class WaitAnsweredError(ConflictError):
    """That wait has been answered already."""

    code = "wait_answered"
    hint = "The answer that it has is used when the execution goes on: see `flux execution show ID`."


class StaleClaimError(ConflictError):
    """Another owner has claimed the execution since: this writer must stop."""

    code = "stale_claim"


class WorkflowAlreadyExistError(ConflictError):
    """A workflow of that name exists."""

    code = "workflow_exists"


class ServiceExistsError(ConflictError):
    """A service of that name exists."""

    code = "service_exists"


class EndpointCollisionError(ConflictError):
    """Several workflows of a service have one name: `workflows` has them all."""

    code = "endpoint_collision"
    hint = "Exclude all but one with `flux service exclude NAME REF`."

    def __init__(self, message: str = "", workflows: Sequence[str] = ()) -> None:
        self.workflows = list(workflows)
        super().__init__(message)

    def extra(self) -> Mapping[str, Any]:
        """The workflows that have the name."""
        return {"workflows": self.workflows}


class WorkflowCatalogError(FluxError):
    """The code cannot be registered."""

    code = "workflow_invalid"
    status = 400


class CodecError(FluxError):
    """A value cannot be stored; the message names its path."""

    code = "value_not_storable"
    status = 422


class WrongKeyError(CodecError):
    """A value was encrypted with another key."""

    code = "wrong_key"
    status = 409
    hint = (
        "Set `security.encryption_key` to the text it had then; if it was not set, bring the key files of that home "
        "back. What cannot be opened any more can be set anew."
    )


class ConfigurationError(FluxError):
    """A setting is wrong."""

    code = "configuration_error"
    exit_code = 2


class UnauthorizedError(FluxError):
    """Authentication is missing or wrong."""

    code = "unauthorized"
    status = 401


class ForbiddenError(FluxError):
    """The caller may not do this."""

    code = "forbidden"
    status = 403


class StoreError(FluxError):
    """The database refused."""

    code = "store_unavailable"
    status = 503


class DatabaseConnectionError(StoreError):
    """The database cannot be opened."""

    code = "database_unavailable"


class PostgreSQLConnectionError(DatabaseConnectionError):
    """PostgreSQL cannot be reached."""


class ServerUnavailableError(FluxError):
    """No Flux server answers at the address."""

    code = "server_unavailable"
    status = 503
    exit_code = 3
    hint = "Start one with `flux dev` or `flux start server`, or pass --server-url."


class WorkerProcessCrashed(FluxError):
    """The process that ran the execution died."""

    code = "runner_crashed"


class RunnerNotAvailableError(FluxError):
    """No runner can take the work now."""

    code = "runner_unavailable"
    status = 503


class UsageError(FluxError):
    """The API was called in a way that cannot work here."""

    code = "usage_error"
    status = 400
    exit_code = 2


class GraphError(UsageError, ValueError):
    """A graph that cannot run; the message names the node."""

    code = "graph_invalid"


class PauseRequested(FluxError):
    """Kept for code that names it; a pause is a wait, nothing is raised at one."""

    code = "pause_requested"

    def __init__(
        self, name: str = "", output: Any = None, wake_at: datetime | None = None, wake_on_complete: str | None = None
    ) -> None:
        self.name = name
        self.output = output
        self.wake_at = wake_at
        self.wake_on_complete = wake_on_complete
        super().__init__(f"Pause '{name}' was requested.")


class BudgetExceededError(ExecutionError):
    """More was used than was allowed."""

    code = "budget_exceeded"

    def __init__(self, message: str = "A budget is exceeded.") -> None:
        super().__init__(None, message)


class ModelProviderError(ExecutionError):
    """A provider of models failed."""

    code = "model_provider_failed"

    def __init__(self, message: str = "The provider of a model failed.") -> None:
        super().__init__(None, message)


class TransientDurabilityError(UsageError):
    """Kept for code that names it; `durability="transient"` allows all that "durable" does."""

    code = "transient_durability"


class HookNotFoundError(NotFoundError):
    """Kept for code that names it; there are no hooks."""

    code = "hook_not_found"


class HookNameConflictError(ConflictError):
    """Kept for code that names it; there are no hooks."""

    code = "hook_exists"


ExecutionTimedOut = ExecutionTimeoutError


def named_waits(waits: Sequence[Mapping[str, Any]]) -> str:
    """Waits as a person tells them apart: by name and id, and by who asks when several executions do.

    Example:
        >>> named_waits([{"name": "legal", "id": "pause_1", "execution_id": "e1"}])
        'legal (pause_1)'
    """
    several = len({wait.get("execution_id") for wait in waits}) > 1
    return ", ".join(
        f"{wait.get('name')} ({wait.get('id')})" + (f" of {wait.get('execution_id')}" if several else "")
        for wait in waits
    )


def _describe(error: BaseException | None) -> str:
    if error is None:
        return "The execution failed."
    try:
        text = str(error)
    except Exception:
        text = "<its message cannot be read>"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@functools.cache
def classes_by_code() -> Mapping[str, type[FluxError]]:
    """The classes of this module by their codes; the first of the tree where several share one."""
    kinds = [kind for kind in globals().values() if isinstance(kind, type) and issubclass(kind, FluxError)]
    return {kind.code: kind for kind in reversed(kinds)}
