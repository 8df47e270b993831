"""The executions inside a runner."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from flux.clock import Clock
from flux.codec import Codec, Redactor
from flux.domain import Bundle, EventRecord, Execution, ExecutionEventType, Manifest, WorkflowRef
from flux.engine.loader import describe_failure, load, unload
from flux.engine.manifest import manifest_of, workflows_of
from flux.engine.ports import Surroundings
from flux.engine.session import Session
from flux.engine.types import coerce_answer, coerce_input, errors_of, resolve_model
from flux.errors import FluxError, StaleClaimError, WorkflowNotFoundError
from flux.worker.capture import Capture
from flux.worker.channel import Channel
from flux.worker.desk import PipeDesk
from flux.worker.dryruns import DryRuns
from flux.worker.frames import Ack, Answer, Cancel, Gone, Load, Loaded, Replay, Start, Told, Validate, Validated
from flux.worker.journal import PipeJournal

if TYPE_CHECKING:
    from flux.engine.workflow import Workflow

logger = logging.getLogger("flux.worker.runner")


@dataclass(eq=False, slots=True)
class _Activation:
    """One execution under one claim.

    Attributes:
        session: None when there is none to be had: then the execution fails with what prevented it.
    """

    execution: Execution
    journal: PipeJournal
    desk: PipeDesk
    session: Session | None = None


class Host:
    """Imports one version of the user's code and runs its executions concurrently.

    Args:
        on_idle: called whenever the last execution has left.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        channel: Channel,
        capture: Capture,
        clock: Clock,
        on_idle: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._channel = channel
        self._capture = capture
        self._clock = clock
        self._on_idle = on_idle
        self._redactor = capture.redactor
        self._codec = Codec(redactor=self._redactor)
        self._surroundings = Surroundings()
        self._bundle: Bundle | None = None
        self._added: list[str] = []
        self._workflows: Mapping[WorkflowRef, Workflow[Any, Any]] = {}
        self._activations: dict[str, _Activation] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._dry_runs = DryRuns(channel, clock)

    @property
    def busy(self) -> bool:
        """Whether any execution is here."""
        return bool(self._activations)

    def load(self, frame: Load) -> None:
        """Import the code and tell what is in it; code that was imported before makes room for it."""
        self._codec = Codec(
            serializer="json" if frame.settings.get("serializer") == "json" else "pkl",
            key=bytes.fromhex(frame.settings.get("key", "")),
            redactor=self._redactor,
        )
        self._surroundings = Surroundings(
            home=frame.settings.get("home", ""),
            default_timeout=float(frame.settings.get("default_timeout", 0)),
        )
        if self._bundle is not None:
            self._make_room(self._bundle)
        self._bundle = frame.bundle
        self._added = _enter(frame.cwd, frame.bundle)
        try:
            manifest = self._import(frame.bundle)
        except BaseException as error:
            # SystemExit and KeyboardInterrupt of the user's code too: the runner itself has to answer.
            failure = describe_failure(frame.bundle, error)
            loaded = Loaded(Manifest(), failure.error, failure.traceback, failure.path, failure.line)
        else:
            loaded = Loaded(manifest)
        self._capture.flush()
        # At once: the next frame may ask for code that does not come back, or takes the process along.
        self._channel.send_now(loaded)

    def start(self, frame: Start) -> None:
        """Run an execution from its history onwards; the next frame may be an answer to it already."""
        execution = frame.execution
        pipe = self._loop, self._channel, execution
        here = _Activation(execution, PipeJournal(*pipe), PipeDesk(*pipe))
        self._activations[execution.id] = here
        failure: BaseException | None = None
        try:
            here.session = self._session(frame, here)
        except BaseException as error:
            failure = error
        task = self._loop.create_task(self._run(here, failure))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def acknowledge(self, ack: Ack) -> None:
        """Appended events are durable, or never will be."""
        if (here := self._find(ack.execution_id, ack.generation)) is None:
            return
        here.journal.acknowledged(ack)
        if ack.error and here.session is not None:
            here.session.fail(StaleClaimError(ack.error))

    def answer(self, frame: Answer) -> None:
        """A wait of a running execution has been answered."""
        here = self._find(frame.execution_id, frame.generation)
        if here is not None and here.session is not None:
            here.session.answer(frame.event)

    def cancel(self, frame: Cancel) -> None:
        """A running execution is to be cancelled."""
        here = self._find(frame.execution_id, frame.generation)
        if here is not None and here.session is not None:
            here.session.cancel(frame.event)

    def told(self, frame: Told) -> None:
        """What a running execution has asked for."""
        if (here := self._find(frame.execution_id, frame.generation)) is not None:
            here.desk.told(frame)

    def validate(self, frame: Validate) -> None:
        """Check a value against the types of the code."""
        try:
            errors = self._check(frame)
        except BaseException as error:
            # A validator written by the user may raise whatever it likes.
            errors = [{"loc": [], "msg": f"{type(error).__name__}: {error}", "type": "validator_failed"}]
        self._channel.send(Validated(frame.request_id, [_sendable(error, self._redactor) for error in errors]))

    def replay(self, frame: Replay) -> None:
        """Say what the code would do with a history."""
        self._dry_runs.take(frame, self._workflow, self._codec)

    def _make_room(self, bundle: Bundle) -> None:
        self._workflows = {}
        unload(bundle)
        # What was found beside the bundle is as local to it; installed packages stay, many bear no second import.
        for name, module in list(sys.modules.items()):
            path = getattr(module, "__file__", None) or ""
            if path.startswith(tuple(f"{folder}{os.sep}" for folder in self._added)) and "site-packages" not in path:
                del sys.modules[name]
        sys.path[:] = [folder for folder in sys.path if folder not in self._added]

    def _import(self, bundle: Bundle) -> Manifest:
        module = load(bundle)
        manifest = manifest_of(module)
        self._workflows = workflows_of(module)
        # It stays for good: no collection needs to look at it again.
        gc.freeze()
        return manifest

    def _find(self, execution_id: str, generation: int) -> _Activation | None:
        """What runs under that claim: a frame for an earlier one must not touch a later one."""
        here = self._activations.get(execution_id)
        return here if here is not None and here.execution.generation == generation else None

    def _session(self, frame: Start, here: _Activation) -> Session:
        return Session(
            self._workflow(frame.execution.ref),
            frame.execution,
            frame.history,
            journal=here.journal,
            codec=self._codec,
            clock=self._clock,
            desk=here.desk,
            surroundings=self._surroundings,
        )

    async def _run(self, here: _Activation, failure: BaseException | None) -> None:
        try:
            if here.session is not None:
                await here.session.run()
        except StaleClaimError:
            logger.debug("execution %s has another owner now", here.execution.id)
        except BaseException as error:
            failure = error
        try:
            if failure is not None:
                await self._fail(here.execution, here.journal, failure)
        finally:
            self._leave(here)

    def _leave(self, here: _Activation) -> None:
        execution = here.execution
        if self._activations.get(execution.id) is here:
            del self._activations[execution.id]
            self._capture.finish(execution.id)
        self._channel.send(Gone(execution.id, execution.generation))
        if not self._activations:
            self._on_idle()

    async def _fail(self, execution: Execution, journal: PipeJournal, error: BaseException) -> None:
        """The last resort for what the session itself could not turn into an outcome."""
        logger.error("execution %s failed outside of its code", execution.id, exc_info=error)
        ordinal = journal.ordinal + 1
        record = EventRecord(
            ExecutionEventType.WORKFLOW_FAILED,
            f"{execution.ref.name}_{execution.id}",
            execution.ref.name,
            self._clock.now(),
            f"{execution.id}.{execution.generation}.{ordinal}.failed",
            self._codec.encode(error if isinstance(error, FluxError) else RuntimeError(repr(error))),
            ordinal=ordinal,
        )
        with contextlib.suppress(StaleClaimError):
            await journal.append([record], release=True)

    def _workflow(self, ref: WorkflowRef) -> Workflow[Any, Any]:
        found = self._workflows.get(ref)
        if found is None:
            path = self._bundle.path if self._bundle else "?"
            raise WorkflowNotFoundError(str(ref), f"Workflow '{ref}' is not in {path} of this version.")
        return found

    def _check(self, frame: Validate) -> list[dict[str, Any]]:
        value = self._codec.decode(frame.value)
        if frame.kind == "input":
            workflow = self._workflow(WorkflowRef(frame.namespace, frame.name))
            return errors_of(lambda: coerce_input(workflow, value))
        schema = msgspec.json.decode(frame.schema) if frame.schema else None
        model = resolve_model(frame.model, self._codec)
        return errors_of(lambda: coerce_answer(model, schema, value))


def _enter(cwd: str, bundle: Bundle) -> list[str]:
    """Work in `cwd`; what the bundle does not hold may still be imported from beside its entry, last.

    The folders that this adds to `sys.path` come back.
    """
    with contextlib.suppress(OSError):
        os.chdir(cwd or ".")
    depth = bundle.entry.count(".") + (1 if bundle.modules[bundle.entry].package else 0)
    root = os.path.dirname(bundle.path)  # noqa: PTH120  # a Path would be made for this alone
    for _ in range(depth):
        root = os.path.dirname(root)  # noqa: PTH120
    added = [folder for folder in dict.fromkeys((root, cwd)) if folder and folder not in sys.path]
    sys.path.extend(added)
    return added


def _sendable(error: Mapping[str, Any], redactor: Redactor) -> dict[str, object]:
    """Only what a frame can carry: pydantic puts exceptions into `ctx`."""
    kept = {key: value for key, value in error.items() if key in ("loc", "msg", "type")}
    return dict(redactor.redacted(msgspec.to_builtins(kept, enc_hook=str)))
