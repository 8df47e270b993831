"""One activation of an execution: its code runs, or replays, until it ends or has to wait."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

from flux.clock import Clock
from flux.codec import Payload
from flux.domain import EventRecord, Execution, ExecutionEventType, ExecutionState, Inquiry, Wait
from flux.engine.calls import Call, CallCounter
from flux.engine.cancellation import Cancellation
from flux.engine.context import ExecutionContext
from flux.engine.divergence import Parting, describe_divergence, instead_of
from flux.engine.endings import Ending, cancelled_ending, ending_of, no_exit
from flux.engine.frame import CURRENT, Frame
from flux.engine.history import HASH, History, RecordedCall
from flux.engine.keeping import keep
from flux.engine.naming import displayed
from flux.engine.ports import Adopt, Desk, EmptyDesk, Journal, Surroundings, ValueCodec
from flux.engine.quiet import FluxFuture, Quiet, awaits_outside
from flux.engine.reads import direct_reads
from flux.engine.recorder import Recorder
from flux.engine.release import Releaser
from flux.engine.tracking import close_tasks, track_tasks
from flux.engine.types import coerce_input
from flux.engine.waits import Waits
from flux.errors import NonDeterminismError, StaleClaimError, UsageError

if TYPE_CHECKING:
    from flux.engine.policies import Substitute
    from flux.engine.workflow import Workflow

_T = ExecutionEventType
_S = ExecutionState
RESUMABLE = frozenset({_S.PAUSED, _S.RESUMING, _S.RESUME_SCHEDULED, _S.RESUME_CLAIMED})
SHORT_WAIT = 1.0
"""Seconds below which a timer is kept in memory only."""
CHILD_GRACE = 0.05
"""Seconds for which a parent stays where it is after a child was started or has ended: short ones cost it no replay."""
OUTSIDE_POLL = 0.5
"""Seconds between looks at code that awaits only the outside world while waits are open."""


_NOWHERE = Surroundings()


class Session:
    """Runs one execution in this process from its history onwards.

    `run()` comes back when the execution has ended, when it waits and nothing else can move, or when
    another owner has taken it. By then its last append, which lets go of the execution, is durable.

    Args:
        history: all events so far; the finished calls among them are replayed, not repeated.
        desk: where the code's tasks ask for what is kept outside of the history; an empty one unless given.
        local: the caller waits for it in this process: stay in memory while only timers are open, and
            leave a divergence to the caller instead of parking the execution.
        moved_to: digest of the code it has been moved to on purpose, recorded once it has replayed.
        substitute: chooses what runs in place of the user's functions; they themselves unless given.
        surroundings: what the settings tell the code.
        adopt: finds and checks the code of child executions where this process runs them too.
    """

    def __init__(
        self,
        workflow: Workflow[Any, Any],
        execution: Execution,
        history: Sequence[EventRecord],
        *,
        journal: Journal,
        codec: ValueCodec,
        clock: Clock,
        desk: Desk | None = None,
        local: bool = False,
        moved_to: str = "",
        substitute: Substitute | None = None,
        surroundings: Surroundings = _NOWHERE,
        adopt: Adopt | None = None,
    ) -> None:
        self.workflow = workflow
        self.execution = execution
        self.execution_id = execution.id
        self.workflow_source = f"{workflow.name}_{execution.id}"
        self.codec = codec
        self.clock = clock
        self.journal = journal
        self._desk = desk or EmptyDesk()
        self.local = local
        self.moved_to = moved_to
        self.substitute = substitute
        self.surroundings = surroundings
        self.adopt = adopt
        self.history = History(history)
        self.context: ExecutionContext[Any] = ExecutionContext(execution, codec, self.history.records)
        self.calls = CallCounter()
        self.waits = Waits(self.history, self.calls)
        self.tasks: set[asyncio.Task[Any]] = set()
        self._awaited: dict[str, Call] = {}
        self.dropped = False
        self.moving = 0
        self._ticking = 0
        self._staying = 0
        self._ends: list[int] = []
        self.divergence: NonDeterminismError | None = None
        self._poll: asyncio.TimerHandle | None = None
        self.loop = asyncio.get_running_loop()
        track_tasks(self.loop)
        self._over: asyncio.Future[None] = self.loop.create_future()
        self._root: asyncio.Task[Any] | None = None
        self.cancellation = Cancellation(self)
        self.recorder = Recorder(self)
        self._quiet = Quiet(self.loop, self._owns)
        self.releaser = self._build_releaser()

    # -- the life of an activation ------------------------------------------------------------

    async def run(self) -> None:
        """Run until the execution ends, waits, or belongs to somebody else."""
        self._launch()
        try:
            self.releaser.start()
            await self._over
        finally:
            self._drop()

    def _build_releaser(self) -> Releaser:
        history = self.history
        return Releaser(
            self.loop,
            self._quiet,
            replayable=history.replayable,
            in_flight=history.in_flight,
            enclosing=history.enclosing,
            cancelled=history.cancelled,
            before_cancel=history.before_cancel,
            outside=lambda: self._engaged or awaits_outside(self.tasks),
            skip=lambda: not self._engaged and self._quiet.skip(self.tasks),
            waiting=self._is_waiting,
            on_cancel=self.cancellation.strike,
            on_error=self.fail,
            on_open=self._go_live,
            on_diverged=self._when_stuck,
            on_quiet=self._when_quiet,
        )

    def _launch(self) -> None:
        context = copy_context()
        context.run(CURRENT.set, Frame(self, name=self.workflow.name))
        self._root = self.loop.create_task(self._body(), context=context)
        self._root.add_done_callback(self._body_done, context=Context())

    def cancel_body(self) -> None:
        """Raise `CancelledError` where the body stands."""
        if self._root is not None:
            self._root.cancel()

    async def _body(self) -> Any:
        if self.history.started is None:
            self.recorder.note(_T.WORKFLOW_STARTED, self.workflow_source, self.workflow.name, self.execution.input)
        self.context._set_input(coerce_input(self.workflow, self.codec.decode(self.execution.input)))
        body = functools.partial(self.workflow.func, self.context)
        with no_exit("the workflow"):
            output = await (body if self.substitute is None else self.substitute.workflow(self, body))()
            return output if self.workflow.options.output_storage is None else await self._keep_output(output)

    async def _keep_output(self, output: Any) -> Any:
        """Give the output to the workflow's storage, once it is sure that replay has come to its end."""
        await self.releaser.admit("")
        return await keep(self, self.workflow.options.output_storage, "output", output)

    def _body_done(self, root: asyncio.Task[Any]) -> None:
        if self.dropped or self._over.done() or self.releaser.closed:
            if not root.cancelled():
                root.exception()  # nobody is interested any more, and asyncio need not complain of that
            return
        left = [task for task in self.tasks if not task.done()]
        if left and root.cancelled() and self.cancellation.struck:
            self.cancellation.extend(left, lambda: self._body_done(root))
            return
        try:
            self._end(root)
        except Exception as error:
            self.fail(error)

    def _end(self, root: asyncio.Task[Any]) -> None:
        ending = ending_of(root, self)
        if self.releaser.conclude():
            self._finish(ending)
        else:
            self._diverge()

    def give_up(self) -> None:
        """The cleanup of a cancelled body takes too long: end without it."""
        if not self._over.done() and not self.releaser.closed:
            self._finish(cancelled_ending(self))

    def _finish(self, ending: Ending) -> None:
        payload, error = self.recorder.encode_ending(ending)
        if error is not None:
            ending = Ending(_T.WORKFLOW_FAILED, error)
        self.context._set_output(ending.value)
        self.recorder.note(ending.type, self.workflow_source, self.workflow.name, payload)
        self._let_go()

    def _let_go(self) -> None:
        """Append what is noted with the release, and end the activation when it is durable."""
        self.releaser.close()
        future = self.recorder.flush(release=True)
        future.add_done_callback(self._released, context=Context())

    def _released(self, future: asyncio.Future[int]) -> None:
        error = future.exception()
        if error is not None:
            self.fail(error)
        elif not self._over.done():
            self._over.set_result(None)

    def fail(self, error: BaseException) -> None:
        """End the activation: another owner has the execution, or nothing can be written or done any more."""
        if self._over.done():
            return
        if isinstance(error, StaleClaimError):
            self._over.set_result(None)
        else:
            self._over.set_exception(error)

    def _drop(self) -> None:
        """Throw the body away: its `finally` blocks run, but record nothing."""
        self.dropped = True
        self.releaser.close()
        self.recorder.close()
        self.waits.close()
        self.cancellation.close()
        if self._poll is not None:
            self._poll.cancel()
        close_tasks(self.tasks, self._root, Frame(self))

    # -- what happens from outside ------------------------------------------------------------

    def answer(self, event: EventRecord) -> None:
        """A wait has been answered (`WORKFLOW_RESUMING`, `TASK_CHILD_*`) while the execution runs here.

        One that comes when the execution has been let go of stays for its next activation.
        """
        if self.releaser.closed:
            return
        self.context._extend([event], event.seq)
        self.waits.answered(event)

    def child_rests(self, wait_id: str) -> None:
        """The child behind a wait does not go on here: there is nothing to stay in memory for."""
        self.waits.rest(wait_id)
        self.releaser.wake()

    def cancel(self, event: EventRecord) -> None:
        """The execution is to be cancelled (`WORKFLOW_CANCELLING`)."""
        if self.cancellation.requested or self.releaser.closed:
            return
        self.context._extend([event], event.seq)
        self.cancellation.request()

    # -- calls ---------------------------------------------------------------------------------

    async def perform(
        self,
        call: Call,
        body: Callable[[], Awaitable[Any]],
        undo: Callable[[], Awaitable[None]] | None = None,
        opened: Callable[[Any], Awaitable[Any]] | None = None,
    ) -> Any:
        """The outcome of a call: the recorded one when its turn comes, else that of running `body`.

        Args:
            undo: rolls a call back that an earlier activation has begun and that is cancelled now.
            opened: makes of a recorded value what the code gets, unless that is the value itself.
        """
        if asyncio.get_running_loop() is not self.loop:
            raise UsageError(
                f"The task '{call.name}' was called in another event loop than its workflow's.",
                hint="Await tasks from the workflow or from async tasks, not through `asyncio.run` in a thread.",
            )
        recorded = self.history.calls.get(call.id)
        if recorded is not None and recorded.outcome is not None and not self.dropped:
            self._awaited[call.id] = call
            try:
                await self.releaser.recorded(call.id)
            finally:
                self._awaited.pop(call.id, None)
            value = self._replay(recorded.outcome)
            return value if opened is None else await self._open(opened, value)
        if self.dropped:
            # A `finally` block of a body that is being thrown away: it ends here, quietly.
            raise GeneratorExit
        return await self._perform_anew(call, recorded, body, undo)

    async def _open(self, opened: Callable[[Any], Awaitable[Any]], recorded: Any) -> Any:
        """Open a recorded value; nothing else is delivered meanwhile. Without it the code cannot go on."""
        try:
            with self.releaser.hold():
                return await opened(recorded)
        except Exception as error:
            self.fail(error)
            return await FluxFuture(loop=self.loop)

    def _replay(self, outcome: EventRecord) -> Any:
        return self.recorder.replay(outcome)

    async def _perform_anew(
        self,
        call: Call,
        recorded: RecordedCall | None,
        body: Callable[[], Awaitable[Any]],
        undo: Callable[[], Awaitable[None]] | None,
    ) -> Any:
        """Run a call that has no recorded outcome, when replay lets it."""
        if not self.releaser.open:
            self._awaited[call.id] = call
            try:
                await self.releaser.admit(call.id)
            except asyncio.CancelledError:
                if recorded is not None and self.cancellation.struck and not self.dropped:
                    await self.recorder.cancel_begun(call, undo)
                raise
            finally:
                self._awaited.pop(call.id, None)
        return await self.recorder.record(call, recorded, body)

    def shown(self, name: str, call_id: str) -> tuple[str, str]:
        """Name and id of a call as they are recorded: shortened, and without the secrets that arguments may bring.

        What is recorded counts: this process may know other secrets than the one that recorded it.
        """
        recorded = self.history.names.get(call_id[-HASH:])
        shown = displayed(self.codec.redactor.redact(name)) if recorded is None else recorded
        if shown == name:
            return name, call_id
        shown_id = shown + call_id[-HASH:]
        self.calls.rename(call_id, shown_id)
        return shown, shown_id

    async def outside_loop(self, work: Callable[[], Any]) -> Any:
        """Run a blocking function in a thread; its context is the caller's."""
        from flux.engine.threads import submit

        self.moving += 1
        future = FluxFuture(loop=self.loop)
        try:
            submit(self.loop, copy_context(), work, future)
            return await future
        finally:
            self.moving -= 1

    async def ask(self, inquiry: Inquiry) -> Mapping[str, Payload]:
        """What the desk answers; the execution counts as moving meanwhile."""
        self.moving += 1
        try:
            return await self._desk.ask(inquiry)
        finally:
            self.moving -= 1

    @contextmanager
    def staying(self) -> Iterator[None]:
        """Do not let go during the block although the code only waits: the block ends soon and by itself."""
        self._staying += 1
        try:
            yield
        finally:
            self._staying -= 1
            self.releaser.wake()

    @contextmanager
    def ending_by(self, moment: int) -> Iterator[None]:
        """The block ends by that time (microseconds UTC): do not let go for what comes only later."""
        self._ends.append(moment)
        try:
            yield
        finally:
            self._ends.remove(moment)

    async def wait(self, wait: Wait) -> EventRecord | None:
        """Wait until a person answers or the time comes: the answering event, or None for the time."""
        future = self.waits.enter(wait, self.loop)
        if wait.wake_at is not None and not future.done():
            timer = self.loop.create_task(self._ring(wait.wake_at, future), context=Context())
            self.waits.keep(timer)
        self.releaser.wake()
        try:
            return await future  # type: ignore[no-any-return]  # resolved by Waits with an event or None
        finally:
            self.waits.leave(wait)

    async def until(self, wait: Wait) -> None:
        """Wait for a time; under a second it stays in memory and shows nowhere."""
        remaining = ((wait.wake_at or 0) - self.clock.now()) / 1e6
        if remaining <= 0:
            return
        if remaining >= SHORT_WAIT:
            await self.wait(wait)
            return
        self._ticking += 1
        try:
            future = FluxFuture(loop=self.loop)
            self.waits.keep(self.loop.create_task(self._ring(wait.wake_at or 0, future), context=Context()))
            await future
        finally:
            self._ticking -= 1

    async def _ring(self, wake_at: int, future: FluxFuture) -> None:
        while (remaining := (wake_at - self.clock.now()) / 1e6) > 0:
            await self.clock.sleep(remaining)
        if not future.done():
            self.releaser.deliver(future)

    # -- what the releaser tells ----------------------------------------------------------------

    def _go_live(self) -> None:
        if self.execution.state in RESUMABLE:
            value = self.history.newest_answer()
            self.recorder.note(_T.WORKFLOW_RESUMED, self.workflow_source, self.workflow.name, value)
        if self.moved_to:
            self.recorder.note_moved(self.execution.digest, self.moved_to)
        self.cancellation.go_live()

    def _diverge(self) -> None:
        if self.dropped or self._over.done():
            return
        self.recorder.discard()
        if self.cancellation.requested:
            self._finish(cancelled_ending(self))
            return
        self.divergence = describe_divergence(self._parting())
        if not self.local:
            self.recorder.note_divergence(self.divergence)
        self._let_go()

    def _parting(self) -> Parting:
        """Where the code has left its history."""
        ending = ending_of(self._root, self) if self._root is not None and self._root.done() else None
        missing = self.history.calls.get(self.releaser.first_missing or "")
        recorded = missing.first if missing else None
        attempted = instead_of(recorded, self._awaited.values(), self.history)
        reads = direct_reads(self.workflow.func)
        return Parting(self.history, recorded, attempted, ending, reads, self.codec.redactor.redact)

    @property
    def _ended(self) -> bool:
        """The body has come to its end, which is told in a moment."""
        return self._root is not None and self._root.done()

    def _when_stuck(self) -> None:
        """Recorded calls are missing and nothing moves."""
        if not self._ended:
            self._diverge()

    def _when_quiet(self) -> None:
        """Nothing is about to run: suspend if the execution only waits."""
        if self.dropped or self._over.done() or self._engaged or not self.waits.open or self.releaser.closed:
            return
        if self._ended or self.cancellation.struck or self._staying:
            return  # a cleanup has to end here and now
        if awaits_outside(self.tasks):
            self._look_again()
        elif self.recorder.pending:
            self.recorder.flush()
        elif self.recorder.unsettled or self.waits.consumable:
            return
        elif self.waits.human and not self.waits.backing_off:
            self.recorder.note_paused(self.waits.human)
            self.context._show(self.waits.human[0].output)
            self._let_go()
        elif not self.local:
            self._suspend()
        elif self.waits.resting_below and not self.waits.backing_off:
            self._let_go()

    def _suspend(self) -> None:
        """Let go, unless a child was started or has ended just now: the next end may be about to come."""
        if self._ends and min(self._ends) <= self.waits.next_wake:
            return
        left = self.waits.stirred + CHILD_GRACE - self.loop.time()
        if left > 0:
            self._look_again(left)
        else:
            self._let_go()

    def _is_waiting(self) -> bool:
        return self.waits.open

    @property
    def _engaged(self) -> bool:
        """Something goes on that keeps the execution in memory: a thread, a question, a short timer."""
        return bool(self.moving or self._ticking)

    @property
    def resting(self) -> bool:
        """Whether nothing of it moves: only time, a person or another execution sets it going again."""
        return self._settled and not self._outside

    @property
    def works_outside(self) -> bool:
        """Whether all that moves is in a thread, or awaits something that is not Flux's."""
        return self._settled and self._outside

    @property
    def _settled(self) -> bool:
        ends = self._over.done() or self.releaser.closed
        return not ends and not self.recorder.unsettled and self.releaser.idle

    @property
    def _outside(self) -> bool:
        return bool(self.moving) or awaits_outside(self.tasks)

    def _look_again(self, delay: float = OUTSIDE_POLL) -> None:
        now = self.loop.time()
        if self._poll is not None:
            if now < self._poll.when() <= now + delay:
                return
            self._poll.cancel()
        self._poll = self.loop.call_later(delay, self.releaser.wake, context=Context())

    def _owns(self, context: Context) -> bool:
        frame = context.get(CURRENT)
        return frame is not None and frame.session is self

    def payload(self, value: Any) -> Payload:
        """Encoded form of a value."""
        return self.codec.encode(value)
