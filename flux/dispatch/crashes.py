"""What happens to the executions of a runner that died."""

from __future__ import annotations

from dataclasses import dataclass

from flux.clock import MICROSECOND
from flux.codec import Codec
from flux.dispatch.bus import Bus
from flux.dispatch.dispatcher import Dispatcher
from flux.dispatch.port import RunnerDied
from flux.dispatch.presence import Presence
from flux.dispatch.records import Recorder
from flux.dispatch.secrecy import Secrecy
from flux.domain import ExecutionEventType
from flux.errors import ExecutionContextNotFoundError, StaleClaimError, WorkerProcessCrashed
from flux.store import Append, Store


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often an execution whose runner died alone with it is tried again, and after how long.

    Attributes:
        attempts: retries after the first death. delay: seconds before the first. backoff: factor for each next.
    """

    attempts: int = 3
    delay: float = 1.0
    backoff: float = 2.0

    def wait(self, deaths: int) -> float | None:
        """Seconds to wait after the n-th death; None when there were too many.

        Example:
            >>> [RetryPolicy().wait(n) for n in (1, 2, 3, 4)]
            [1.0, 2.0, 4.0, None]
        """
        return self.delay * self.backoff ** (deaths - 1) if deaths <= self.attempts else None


class Crashes:
    """Requeues the executions of dead runners, and fails those that keep killing theirs."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        dispatcher: Dispatcher,
        presence: Presence,
        recorder: Recorder,
        codec: Codec,
        secrecy: Secrecy,
        policy: RetryPolicy | None = None,
    ) -> None:
        self._store = store
        self._bus = bus
        self._dispatcher = dispatcher
        self._presence = presence
        self._recorder = recorder
        self._codec = codec
        self._secrecy = secrecy
        self._policy = policy or RetryPolicy()

    async def died(self, worker: str, death: RunnerDied) -> None:
        """A death with company requeues all; one alone counts, backs off, and fails in the end."""
        held = list(zip(death.execution_ids, death.generations, strict=True))
        for execution_id, generation in held:
            self._presence.release(worker, execution_id, generation)
        if not death.alone:
            await self._dispatcher.requeue(held)
            return
        for execution_id, generation in held:
            await self._alone(execution_id, generation, death.reason)

    async def _alone(self, execution_id: str, generation: int, reason: str) -> None:
        try:
            deaths = await self._store.executions.crashed(execution_id, generation)
            delay = self._policy.wait(deaths)
            if delay is not None:
                when = self._recorder.clock.now() + int(delay * MICROSECOND)
                await self._dispatcher.requeue([(execution_id, generation)], not_before=when)
            else:
                await self._fail(execution_id, generation, reason, deaths)
        except (StaleClaimError, ExecutionContextNotFoundError):
            return  # somebody else has it already

    async def _fail(self, execution_id: str, generation: int, reason: str, deaths: int) -> None:
        execution = await self._store.executions.get(execution_id)
        reason = await self._secrecy.text(reason)
        error = WorkerProcessCrashed(f"The process that ran the execution died {deaths} times, at last: {reason}")
        event = self._recorder.event(ExecutionEventType.WORKFLOW_FAILED, execution, payload=self._codec.encode(error))
        appended = await self._store.executions.append(Append(execution_id, generation, (event,), release=True))
        self._dispatcher.announce(appended.changes)
