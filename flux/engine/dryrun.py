"""Dry replay: what would this code do with that history?

The body of the workflow runs against recorded outcomes, in their order, and stops where something new
would begin. No task, no handler and no wait runs, nothing is written, no child and no secret is asked
for. What the body itself does between its calls (print, compute, read a clock) happens, as in any replay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flux.clock import Clock, SystemClock
from flux.codec import Payload, to_plain
from flux.domain import EventRecord, Execution, ExecutionEventType, ExecutionState, Wait
from flux.domain.transitions import fold
from flux.domain.verdict import Outcome, Verdict, diverges
from flux.engine.calls import Call
from flux.engine.divergence import Parting, describe_divergence, describe_other_end, shown_call
from flux.engine.endings import Ending
from flux.engine.frame import Frame, entered
from flux.engine.history import RecordedCall
from flux.engine.ports import ValueCodec
from flux.engine.quiet import FluxFuture, awaits_outside
from flux.engine.session import Session

if TYPE_CHECKING:
    from flux.engine.workflow import Workflow

_T = ExecutionEventType
_S = ExecutionState
_LONG = 200
PATIENCE = 30.0
"""Seconds after which a dry replay is given up: its code awaits something that does not come."""

Observer = Callable[[EventRecord], None]


async def dry_run(
    workflow: Workflow[Any, Any],
    execution: Execution,
    history: Sequence[EventRecord],
    *,
    codec: ValueCodec,
    clock: Clock | None = None,
    observer: Observer | None = None,
    patience: float | None = PATIENCE,
) -> Verdict:
    """Replay a history against a workflow's code, without a side effect.

    A finished execution has to end in the same way too: a call that its history does not have is
    divergence then, and so is another kind of end.

    Args:
        execution: as it stands behind `history`.
        observer: told each recorded outcome just before the code gets it.
        patience: seconds after which it is undecided; None for no limit.

    Example:
        >>> verdict = await dry_run(order, execution, history, codec=codec)  # doctest: +SKIP
        >>> verdict.outcome, verdict.detail  # doctest: +SKIP
        (<Outcome.WAITS: 'waits'>, "waits at pause 'approval'")
    """
    past = _Past.of(execution, history)
    session = DrySession(workflow, past, codec=codec, clock=clock or SystemClock(), observer=observer)
    try:
        async with asyncio.timeout(patience):
            await session.run()
    except TimeoutError:
        detail = f"the code awaited something outside of Flux for more than {patience:g} s"
        return Verdict(Outcome.UNDECIDED, detail)
    except Exception as error:
        detail = f"the history cannot be replayed: {type(error).__name__}: {error}"
        return _redacted(Verdict(Outcome.UNDECIDED, detail), codec)
    return _redacted(session.verdict, codec)


def _redacted(verdict: Verdict, codec: ValueCodec) -> Verdict:
    """Without the secrets that recorded values have brought along."""
    redact = codec.redactor.redact
    divergence = {name: redact(text) for name, text in verdict.divergence.items()}
    return replace(verdict, detail=redact(verdict.detail), divergence=divergence)


@dataclass(frozen=True, slots=True)
class _Past:
    """What is replayed: a history up to its end, and that end.

    Attributes:
        execution: as it stood before its end.
        records: all events before the end.
        end: the event that ended it, or None while it has not ended.
    """

    execution: Execution
    records: tuple[EventRecord, ...]
    end: EventRecord | None = None

    @classmethod
    def of(cls, execution: Execution, history: Sequence[EventRecord]) -> _Past:
        if not execution.state.is_terminal:
            return cls(execution, tuple(history))
        last = max((i for i, record in enumerate(history) if record.type in _ENDS), default=len(history))
        end = history[last] if last < len(history) else None
        return cls(replace(execution, state=fold(history[:last]), output=None), tuple(history[:last]), end)

    @property
    def by_itself(self) -> bool:
        """Whether the code came to its end, and not the server or the host of the code."""
        return self.end is not None and self.end.ordinal > 0 and not self.end.id.endswith(".failed")


_ENDS = frozenset({_T.WORKFLOW_COMPLETED, _T.WORKFLOW_FAILED, _T.WORKFLOW_CANCELLED})


class _NoJournal:
    """Accepts nothing: what a dry replay notes is never written."""

    def append(self, events: Sequence[EventRecord], *, release: bool = False) -> asyncio.Future[int]:
        """Never resolves."""
        return asyncio.get_running_loop().create_future()

    def progress(self, source_id: str, name: str, value: str) -> None:
        """Nobody listens."""


class DrySession(Session):
    """A session that delivers what is recorded and stops where something new would begin.

    Attributes:
        verdict: what was found, once `run` has come back.
    """

    def __init__(
        self,
        workflow: Workflow[Any, Any],
        past: _Past,
        *,
        codec: ValueCodec,
        clock: Clock,
        observer: Observer | None = None,
    ) -> None:
        super().__init__(workflow, past.execution, past.records, journal=_NoJournal(), codec=codec, clock=clock)
        self.verdict = Verdict(Outcome.UNDECIDED, "the replay was stopped")
        self._past = past
        self._observer = observer
        self._enclosing = self.history.enclosing
        self._held: dict[str, Call] = {}

    # -- calls ---------------------------------------------------------------------------------

    async def _keep_output(self, output: Any) -> Any:
        """Store nothing: a reference cannot be compared, the recorded one stands for it."""
        end = self._past.end
        return output if end is None or end.payload is None else self.codec.decode(end.payload)

    def _replay(self, outcome: EventRecord) -> Any:
        if self._observer is not None:
            self._observer(outcome)
        return super()._replay(outcome)

    async def _perform_anew(
        self,
        call: Call,
        recorded: RecordedCall | None,
        body: Callable[[], Awaitable[Any]],
        undo: Callable[[], Awaitable[None]] | None,
    ) -> Any:
        """Hold the call for good; only a built-in around recorded calls runs, for them to be met."""
        self.releaser.met(call.id)
        if call.id in self._enclosing:
            if undo is None:
                await self._within(call, body)
            else:
                self.releaser.forgo(self.history.inside(call.id))
        self._held[call.id] = self._awaited[call.id] = call
        self.releaser.wake()
        try:
            await FluxFuture(loop=self.loop)
        finally:
            for calls in (self._held, self._awaited):
                calls.pop(call.id, None)

    async def _within(self, call: Call, body: Callable[[], Awaitable[Any]]) -> None:
        with entered(Frame(self, call.id, call.id, call.name, call.parent, call.location)), suppress(Exception):
            await body()

    # -- where it arrives ----------------------------------------------------------------------

    def _go_live(self) -> None:
        """The recorded calls have all been met; the code may still be on its way to what comes next."""

    def _is_waiting(self) -> bool:
        return True  # coming to rest is the end of the replay

    def _when_quiet(self) -> None:
        if self._over.done() or self.releaser.closed or self._ended:
            return  # the end of the body is told in a moment
        if not self._past.by_itself:
            self._conclude(self._next_step())
        elif awaits_outside(self.tasks):
            self._look_again()
        elif self.cancellation.struck and self._first_new() is None:
            self.give_up()  # as the first time: its cleanup did not end
        else:
            self._conclude(self._another_end())

    def _finish(self, ending: Ending) -> None:
        end = self._past.end
        if not self._past.by_itself or end is None:
            return self._conclude(Verdict(Outcome.ENDS, f"the code ends: {self._shown_end(ending)}"))
        if ending.type is not end.type:
            return self._conclude(self._another_end(ending))
        payload, _ = self.recorder.encode_ending(ending)
        note = "" if self._alike(payload, end.payload) else ", with another output"
        return self._conclude(Verdict(Outcome.ENDS, f"ends as recorded{note}: {self._shown_end(ending)}"))

    def _alike(self, one: Payload | None, other: Payload | None) -> bool:
        """Whether two outputs are the same, as far as that can be seen without executing what they say."""
        if one is None or other is None:
            return one is other
        one, other = self.codec.unsealed(one), self.codec.unsealed(other)
        return "dill" in (one.encoding, other.encoding) or bool(_essence(to_plain(one)) == _essence(to_plain(other)))

    def _diverge(self) -> None:
        if not self._over.done():
            self._conclude(diverges(describe_divergence(self._parting())))

    def _another_end(self, ending: Ending | None = None) -> Verdict:
        assert self._past.end is not None
        attempted = None if ending else self._first_new()
        parting = Parting(self.history, attempted=attempted, end=ending, redact=self.codec.redactor.redact)
        return diverges(describe_other_end(self._past.end, parting))

    def _shown_end(self, ending: Ending) -> str:
        if ending.type is not _T.WORKFLOW_FAILED:
            return str(ending.type.removeprefix("WORKFLOW_"))
        text = self.codec.redactor.redact(f"{type(ending.value).__name__}: {ending.value}")
        return f"FAILED ({text if len(text) <= _LONG else text[:_LONG] + '…'})"

    def _conclude(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.releaser.close()
        if not self._over.done():
            self._over.set_result(None)

    def _first_new(self) -> Call | None:
        return next((call for call in self._held.values() if call.id not in self.history.calls), None)

    def _next_step(self) -> Verdict:
        """What the code would do first that is not recorded."""
        waiting = {call.id: wait for call in self._held.values() if (wait := self._open_wait(call)) is not None}
        for call in self._held.values():
            if call.id not in waiting:
                again = "again " if call.id in self.history.calls else ""
                return Verdict(
                    Outcome.GOES_ON, f"goes on {again}at {shown_call(call, self.codec.redactor.redact)}", call.location
                )
        if not waiting:
            return Verdict(Outcome.GOES_ON, "goes on behind what is not Flux's")
        first = self._held[next(iter(waiting))]
        names = ", ".join(f"{wait.kind} '{wait.name}'" for wait in waiting.values())
        return Verdict(Outcome.WAITS, f"waits at {names}", first.location)

    def _open_wait(self, call: Call) -> Wait | None:
        """The wait that an earlier activation has opened for the call and nobody has answered."""
        recorded = self.history.calls.get(call.id)
        if recorded is None:
            return None
        last = recorded.steps[-1] if recorded.steps else recorded.first
        if last.wait is None or any(answer.seq > last.seq for answer in self.history.answers.get(call.id, ())):
            return None
        return last.wait


def _essence(value: Any) -> Any:
    """Without tracebacks, which name lines that may have moved."""
    if isinstance(value, dict):
        return {name: _essence(part) for name, part in value.items() if name != "traceback"}
    return [_essence(part) for part in value] if isinstance(value, list) else value
