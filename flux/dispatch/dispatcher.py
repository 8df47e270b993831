"""Brings ready executions and free workers together.

A new execution is claimed for a worker in the same group commit that creates it. What finds no free
slot stays `ready` in the store and is matched when a slot frees up, a worker comes, a timer fires or a
requeue happens: all of them poke the dispatcher. A slow sweep catches what a lost poke would strand.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from flux.dispatch.bus import Bus, WorkerChanged
from flux.dispatch.matching import choose
from flux.dispatch.port import Assigned
from flux.dispatch.presence import LEASE, Presence
from flux.dispatch.records import Recorder, deliveries
from flux.domain import Claim, Execution
from flux.errors import FluxError
from flux.store import Change, Store

SWEEP = 15.0
"""Seconds between two sweeps of the safety net."""

_BATCH = 100
_MAX_BATCH = 3200

log = logging.getLogger("flux.dispatch")


class Dispatcher:
    """Matches executions to workers; `run()` is its background loop.

    Attributes:
        remind: asks for a `poke()` at a time (microseconds UTC), for requeues that back off.
    """

    def __init__(
        self,
        store: Store,
        bus: Bus,
        presence: Presence,
        recorder: Recorder,
    ) -> None:
        self._store = store
        self._bus = bus
        self._presence = presence
        self._clock = recorder.clock
        self._recorder = recorder
        self.remind: Callable[[int], None] = lambda when: None
        self._wanted = asyncio.Event()
        self._backlog = True
        self._requests: dict[tuple[str, int], Mapping[str, Any]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._suspects: set[tuple[str, int]] = set()

    # entrances

    def poke(self) -> None:
        """Something changed: match what is ready soon."""
        self._backlog = True
        self._wanted.set()

    async def submit(self, execution: Execution, key: str = "", requests: Mapping[str, Any] | None = None) -> Execution:
        """Create an execution and, if a worker is free, claim it for that worker in the same commit."""
        worker = self._reserve(execution, requests or {})
        if worker is None:
            created = await self._store.executions.create(execution, key)
            if created.id == execution.id:
                self._bus.committed(created)
            self.poke()
            return created
        return await self._create_and_claim(execution, key, worker)

    def announce(self, changes: Iterable[Change]) -> None:
        """Publish what a commit has done, and tell whom it concerns: free workers, or the one that runs it."""
        for change in changes:
            execution = change.execution
            self._bus.committed(execution, change.events)
            if change.ready:
                self.offer(execution)
            elif execution.owner:
                for delivery in deliveries(change):
                    self._presence.deliver(execution.owner, delivery)

    def offer(self, execution: Execution) -> None:
        """An execution became ready: claim it for a free worker now, or leave it to the next match."""
        if execution.is_local:
            return
        requests = self._requests.get((str(execution.ref), execution.version))
        worker = self._reserve(execution, requests) if requests is not None else None
        if worker is None:
            self.poke()
        else:
            self._spawn(self._assign(execution, worker))

    def released(self, worker: str, execution: Execution, ready: bool) -> None:
        """A worker let go of an execution: its slot is free, and the execution may be ready again."""
        self._presence.release(worker, execution.id, execution.generation)
        if ready:
            self.offer(execution)
        elif self._backlog:
            self._wanted.set()

    async def requeue(self, held: Iterable[tuple[str, int]], *, not_before: int = 0) -> list[Execution]:
        """Put executions of lost owners back into the queue; stale generations are skipped."""
        pairs = list(held)
        if not pairs:
            return []
        requeued = await self._store.executions.requeue(pairs, not_before=not_before)
        for execution in requeued:
            self._bus.committed(execution)
        if not_before:
            self.remind(not_before)
        self.poke()
        return requeued

    async def lose(self, name: str) -> None:
        """A worker is gone: everything it held goes back to the queue."""
        model = self._presence.model(name)
        lost = self._presence.forget(name)
        if model is not None:
            self._bus.publish(WorkerChanged(model.model_copy(update={"online": False, "running": 0})))
        await self.requeue((one.id, one.generation) for one in lost)

    async def claim(self, name: str, execution_id: str) -> Claim:
        """The claim that was made for a worker, or a new one. Raises `StaleClaimError`."""
        made = self._presence.fetch(name, execution_id)
        if made is not None:
            return made
        execution = await self._store.executions.get(execution_id)
        events = self._recorder.claiming(execution, name)
        claim = await self._store.executions.claim(execution_id, name, events)
        self._presence.assign(name, claim)
        self._presence.fetch(name, execution_id)
        self._bus.committed(claim.execution, claim.history[-len(events) :])
        return claim

    # loops

    async def run(self) -> None:
        """Match whenever poked, sweep now and then, drop workers whose lease ran out; until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._forever(self._matching), name="flux-dispatcher")
            group.create_task(self._forever(self._sweeping), name="flux-dispatcher-sweep")
            group.create_task(self._forever(self._leases), name="flux-leases")

    async def match(self) -> int:
        """Assign what is ready to who is free; returns how many found a worker."""
        total, skipped = 0, 0  # `skipped`: at the head of the queue, but nobody who is free can run them
        while room := self._presence.room():
            limit = min(room, _BATCH) + skipped
            ready = await self._store.executions.ready(limit)
            await self._learn(ready)
            pairs = self._pair(ready)
            left = len(ready) - len(pairs)
            self._backlog = left > 0 or len(ready) == limit
            total += sum(await asyncio.gather(*(self._assign(execution, worker) for execution, worker in pairs)))
            if len(ready) < limit or limit >= _MAX_BATCH:
                return total
            skipped = left if pairs else 2 * left
        self._backlog = bool(await self._store.executions.ready(1))
        return total

    async def sweep(self) -> None:
        """What lost notifications would strand: unpublished commits, orphaned claims, forgotten ready ones."""
        await self.catch_up()
        await self._recover()
        self.poke()

    async def catch_up(self) -> None:
        """Publish commits that nobody here has published (other processes, interrupted requests)."""
        mark = self._bus.mark
        last = await self._store.executions.last_position()
        while mark.reached < last:
            rows = await self._store.executions.tail(mark.reached, 500)
            if not rows:
                mark.skip_to(last)
                return
            for execution, event in rows:
                if not mark.knows(event.position):
                    self._bus.committed(execution, (event,))
            mark.skip_to(rows[-1][1].position)

    async def drop_expired(self) -> None:
        """Lose the workers whose lease has run out."""
        for name in self._presence.expired():
            log.warning("worker %s is gone: no heartbeat for %g s", name, LEASE)
            await self.lose(name)

    # steps

    def _reserve(self, execution: Execution, requests: Mapping[str, Any]) -> str | None:
        if self._backlog:
            return None
        self._requests[(str(execution.ref), execution.version)] = requests
        name = choose(self._presence.candidates(), execution.digest, requests)
        if name is not None:
            self._presence.get(name).reserved += 1
        return name

    def _unreserve(self, worker: str) -> None:
        if (found := self._presence.find(worker)) is not None and found.reserved:
            found.reserved -= 1

    async def _create_and_claim(self, execution: Execution, key: str, worker: str) -> Execution:
        executions = self._store.executions
        both = asyncio.gather(
            executions.create(execution, key),
            executions.claim(execution.id, worker, self._recorder.claiming(execution, worker)),
            return_exceptions=True,
        )
        try:
            created, claim = await asyncio.shield(both)
        except asyncio.CancelledError:
            # Nobody waits for the answer any more, but the writes are on their way and the slot is reserved.
            both.add_done_callback(lambda done: self._conclude_alone(worker, done))
            raise
        return self._conclude(worker, created, claim)

    def _conclude(self, worker: str, created: Execution | BaseException, claim: Claim | BaseException) -> Execution:
        self._unreserve(worker)
        if isinstance(created, BaseException):
            raise created
        if isinstance(claim, Claim):
            self._hand_over(worker, claim)
            return claim.execution
        if not isinstance(claim, FluxError):
            raise claim
        self.poke()
        return created

    def _conclude_alone(
        self, worker: str, done: asyncio.Future[tuple[Execution | BaseException, Claim | BaseException]]
    ) -> None:
        if done.cancelled():
            self._unreserve(worker)
            return
        try:
            self._conclude(worker, *done.result())
        except Exception as error:
            log.warning("a run that nobody waits for was not started: %s", error)

    async def _assign(self, execution: Execution, worker: str) -> bool:
        try:
            events = self._recorder.claiming(execution, worker)
            claim = await self._store.executions.claim(execution.id, worker, events)
        except FluxError as error:
            log.debug("%s was not claimed for %s: %s", execution.id, worker, error)
            return False
        finally:
            self._unreserve(worker)
        self._hand_over(worker, claim)
        return True

    def _hand_over(self, worker: str, claim: Claim) -> None:
        execution = claim.execution
        self._bus.committed(execution, claim.history[-2:])
        if self._presence.assign(worker, claim):
            self._presence.deliver(worker, Assigned(execution.id, execution.digest))
        else:
            self._spawn(self.requeue([(execution.id, execution.generation)]))

    def _pair(self, ready: Iterable[Execution]) -> list[tuple[Execution, str]]:
        pairs = []
        for execution in ready:
            requests = self._requests.get((str(execution.ref), execution.version), {})
            name = choose(self._presence.candidates(), execution.digest, requests)
            if name is not None:
                self._presence.get(name).reserved += 1
                pairs.append((execution, name))
            elif not self._presence.room():
                break
        return pairs

    async def _learn(self, executions: Iterable[Execution]) -> None:
        """Know the resource requests of these executions' versions."""
        for execution in executions:
            key = (str(execution.ref), execution.version)
            if key not in self._requests:
                try:
                    version = await self._store.catalog.get(execution.ref, execution.version)
                    self._requests[key] = version.spec.options.get("requests") or {}
                except FluxError:
                    self._requests[key] = {}

    async def _recover(self) -> None:
        """Requeue what is held by nobody: twice seen without a holder, after workers had time to return."""
        orphans: set[tuple[str, int]] = set()
        for execution in await self._store.executions.held():
            worker = self._presence.find(execution.owner)
            if not execution.is_local and (worker is None or execution.id not in worker.assigned):
                orphans.add((execution.id, execution.generation))
        sure = orphans & self._suspects
        self._suspects = orphans - sure
        await self.requeue(sure)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # loop bodies

    async def _matching(self) -> None:
        await self._wanted.wait()
        self._wanted.clear()
        await self.match()

    async def _sweeping(self) -> None:
        await self._clock.sleep(SWEEP)
        await self.sweep()

    async def _leases(self) -> None:
        await self._clock.sleep(max(0.1, self._presence.next_expiry()))
        await self.drop_expired()

    async def _forever(self, step: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await step()
            except asyncio.CancelledError:
                raise
            except Exception:
                log.exception("the dispatcher goes on after an error")
                await self._clock.sleep(1.0)
