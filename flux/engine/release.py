"""Delivers outcomes to the code one at a time, in the order in which they were recorded.

Looking a recorded outcome up is not enough: two branches that race for `uuid4()` would swap their
values if both outcomes arrived at once. So lookup finds, order releases: one outcome goes out, the
loop settles, then the next one. Live outcomes pass through the same gate, so that a replay can repeat
what the first run did.

Calls that are not in the history are held until every recorded call has been met. What is still
missing when nothing can move any more is divergence.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context

from flux.engine.quiet import FluxFuture, Quiet

OUTSIDE_GRACE = 10.0
"""Seconds that replayed code may await something that is not Flux's before missing calls count as divergence."""

MAX_SPINS = 1000
"""Loop passes after which code that never comes to rest gets what it may be spinning for."""
MAX_SKIPS = 1000
"""Timers that replay lets ring early before code that lives on them alone takes its real time."""
CANCEL_MARK = "\0cancel"
"""Stands in the recorded order where the code was cancelled."""


class Releaser:
    """The gate between the history (or the journal) and the code.

    Args:
        replayable: ids of calls with recorded outcomes, in recorded order.
        in_flight: ids of recorded calls without outcomes.
        enclosing: those of `in_flight` that are let in during replay, for the recorded calls inside them.
        cancelled: those of `replayable` that were cancelled, with the seconds that took; they are never
            delivered: the code, or the request, cancels them again.
        before_cancel: ids of calls that were under way when the code was cancelled, which stands
            among `replayable` as `CANCEL_MARK`.
        outside: whether the code awaits something that is not Flux's, or runs in a thread.
        skip: lets a timer of the code's own ring at once, if nothing but its timers can move it.
        waiting: whether the code waits for an answer or a time: only then somebody wants to know that it rests.
        on_cancel: called once, where the cancellation reached the code.
        on_error: told what any of these callbacks raises.
        on_open: called once, when every recorded call has been met.
        on_diverged: called once, when recorded calls can no longer be met.
        on_quiet: called when nothing is left to deliver.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        quiet: Quiet,
        *,
        replayable: Iterable[str],
        in_flight: Iterable[str],
        enclosing: Iterable[str],
        cancelled: Mapping[str, float],
        before_cancel: Iterable[str],
        outside: Callable[[], bool],
        skip: Callable[[], bool],
        waiting: Callable[[], bool],
        on_cancel: Callable[[], None],
        on_error: Callable[[BaseException], None],
        on_open: Callable[[], None],
        on_diverged: Callable[[], None],
        on_quiet: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._quiet = quiet
        self._recorded = deque(replayable)
        self._missing = set(in_flight)
        self._enclosing = set(enclosing)
        self._cancelled = dict(cancelled)
        self._before_cancel = set(before_cancel)
        self._outside = outside
        self._skip = skip
        self._is_waiting = waiting
        self._on_cancel, self._on_error = on_cancel, on_error
        self._on_open, self._on_diverged, self._on_quiet = on_open, on_diverged, on_quiet
        self._waiting: dict[str, FluxFuture] = {}
        self._held: deque[FluxFuture] = deque()
        self._live: deque[FluxFuture] = deque()
        self._pumping = False
        self._holding = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._context = Context()
        self._spins = 0
        self._skipped = 0
        self.open = False
        self.closed = False

    @property
    def first_missing(self) -> str | None:
        """Id of the first recorded call that the code has not made."""
        for call_id in self._recorded:
            if call_id not in self._waiting and call_id != CANCEL_MARK:
                return call_id
        return next(iter(self._missing), None)

    @property
    def idle(self) -> bool:
        """Nothing is about to be delivered, and the code is not about to run."""
        return not self._pumping and not self._quiet.busy()

    @property
    def busy(self) -> bool:
        """Whether code of the execution is about to run."""
        return self._quiet.busy()

    def start(self) -> None:
        """Begin delivering; the gate opens at once where nothing is recorded."""
        if not self._recorded and not self._missing:
            self._open()
        self._wake()

    async def recorded(self, call_id: str) -> None:
        """Come back when it is this recorded call's turn."""
        if self._is_next(call_id):
            self._recorded.popleft()
            self._disarm()
            self._wake()
            return
        future = self._waiting[call_id] = FluxFuture(loop=self._loop)
        self._wake()
        try:
            await future
        except asyncio.CancelledError:
            self._forget(call_id)
            raise

    async def admit(self, call_id: str) -> None:
        """Come back when the code may do something new: at once after replay, else when it is over."""
        if self.open:
            return
        self.met(call_id)
        if call_id in self._enclosing:
            return
        future = FluxFuture(loop=self._loop)
        self._held.append(future)
        self._wake()
        await future

    def met(self, call_id: str) -> None:
        """The code has made this recorded call, which has no outcome."""
        self._missing.discard(call_id)

    def forgo(self, call_ids: Collection[str]) -> None:
        """Do not wait for these recorded calls: the code around them does not run here."""
        self._recorded = deque(call_id for call_id in self._recorded if call_id not in call_ids)
        self._missing.difference_update(call_ids)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Deliver nothing during the block: an outcome takes effect only behind it."""
        self._holding += 1
        try:
            yield
        finally:
            self._holding -= 1
            self._wake()

    def deliver(self, future: FluxFuture) -> None:
        """Resolve `future` when everything delivered before has taken effect."""
        if self._pumping or self._live or not self.open or self._quiet.busy():
            self._live.append(future)
            self._wake()
        elif not future.done():
            future.set_result(None)
            self._wake()

    def wake(self) -> None:
        """Look again whether something can be delivered, or nothing can move."""
        self._wake()

    def conclude(self) -> bool:
        """The code has ended: whether it has made every recorded call. What is held back stays so.

        Outcomes behind the one that brought the end about need not be delivered any more.
        """
        if self.first_missing is None:
            self._held.clear()
            self._open()
        return self.open

    def close(self) -> None:
        """Deliver nothing more."""
        self.closed = True
        self._disarm()

    def _is_next(self, call_id: str) -> bool:
        return (
            not self._waiting
            and not self._holding
            and bool(self._recorded)
            and self._recorded[0] == call_id
            and call_id not in self._cancelled
            and not self._quiet.busy()
        )

    def _forget(self, call_id: str) -> None:
        self._waiting.pop(call_id, None)
        if call_id in self._recorded:
            self._recorded.remove(call_id)
        self._wake()

    def _wake(self) -> None:
        """Have the loop's next pass look, unless it could find nothing to do."""
        if not self._pumping and not self.closed and (self._live or not self.open or self._is_waiting()):
            self._pumping = True
            self._loop.call_soon(self._pump, context=self._context)

    def _pump(self) -> None:
        self._pumping = False
        if self.closed:
            return
        try:
            self._step()
        except Exception as error:
            self._on_error(error)

    def _step(self) -> None:
        if self._holding:
            return  # who holds will wake
        if self._is_busy() or self._release_one():
            self._wake()
        elif self.open:
            self._on_quiet()
        else:
            self._stalled()

    def _is_busy(self) -> bool:
        """Whether the code is about to run; code that spins (`sleep(0)` in a loop) counts as settled in the end."""
        if not self._quiet.busy():
            self._spins = 0
            return False
        self._spins += 1
        return self._spins % MAX_SPINS != 0

    def _release_one(self) -> bool:
        """Deliver the next outcome; False when there is none, or its call has not been made."""
        if self._recorded:
            return self._release_recorded(self._recorded[0])
        if self._missing:
            return False
        self._open()
        if not self._live:
            return False
        _resolve(self._live.popleft())
        return True

    def _release_recorded(self, call_id: str) -> bool:
        if call_id == CANCEL_MARK:
            return self._repeat_cancel()
        if call_id in self._cancelled or call_id not in self._waiting:
            return False
        self._recorded.popleft()
        self._disarm()
        _resolve(self._waiting.pop(call_id))
        return True

    def _repeat_cancel(self) -> bool:
        """Cancel the code where it was cancelled before: when every call made before has been met."""
        unmet = self._missing.union(self._recorded) - self._waiting.keys()
        if unmet & self._before_cancel:
            return False
        self._recorded.popleft()
        self._on_cancel()
        return True

    def _open(self) -> None:
        if not self.open:
            self.open = True
            self._disarm()
            self._on_open()
            while self._held:
                _resolve(self._held.popleft())

    def _stalled(self) -> None:
        """Recorded calls are missing and nothing is about to run."""
        if self._skipped < MAX_SKIPS and self._skip():
            self._skipped += 1
            self._wake()
        elif self._waits_for_own_cancel():
            self._arm_deadline(self._cancelled[self._recorded[0]])
        elif self._outside():
            self._arm_deadline(0.0)
        else:
            self._on_diverged()

    def _arm_deadline(self, already: float) -> None:
        """Give up in a while; not before a timeout of the code's own has had the time it took when recorded."""
        if self._deadline is None:
            self._deadline = self._loop.call_later(already + OUTSIDE_GRACE, self._expire, context=self._context)

    def _disarm(self) -> None:
        """The code has got further: what it awaits next has all the time again."""
        self._skipped = 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _waits_for_own_cancel(self) -> bool:
        return bool(self._recorded) and self._recorded[0] in self._cancelled and self._recorded[0] in self._waiting

    def _expire(self) -> None:
        self._deadline = None
        if self.open or self.closed or self._holding:
            return
        if self._waits_for_own_cancel():
            self._cancelled.pop(self._recorded[0])
            self._waiting[self._recorded[0]].cancel()
            return
        self._on_diverged()


def _resolve(future: FluxFuture) -> None:
    if not future.done():
        future.set_result(None)
