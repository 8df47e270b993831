"""The worker agent: work from the server to the runners, what happens there back to the server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from flux.clock import Clock, SystemClock
from flux.codec import Payload
from flux.dispatch.port import (
    Answered,
    Assigned,
    CancelRequested,
    Delivery,
    Prewarm,
    ProbeRequested,
    ProbeResult,
    Progress,
    ReplayRequested,
    ReplayResult,
    RunnerDied,
    ValidationRequested,
    ValidationResult,
    WorkerPort,
)
from flux.domain import Bundle, Claim, LogLine
from flux.errors import ConflictError, FluxError, NotFoundError, UsageError
from flux.worker import facts
from flux.worker.frames import (
    Ack,
    Answer,
    Append,
    Ask,
    Cancel,
    FromRunner,
    Gone,
    Output,
    Progressed,
    Told,
    Validate,
)
from flux.worker.link import UNREACHABLE, Connection, Link
from flux.worker.outbox import Shipment, log_stream, progress_stream
from flux.worker.pool import LoadFailed, Pool
from flux.worker.process import Limits, RunnerProcess
from flux.worker.replaying import fetch_history
from flux.worker.validating import Checks

logger = logging.getLogger("flux.worker")
_LAST_WORDS = 5.0
_SUSPECTS_KEPT = 10_000


@dataclass(eq=False, slots=True)
class _Held:
    """An execution that this worker has claimed.

    Attributes:
        runner: where it runs, once it does.
        last_seq: of the history that came with the claim; the code learns of later events one by one.
        early: answers and cancel requests that came before it ran.
        gone: set when it has left.
    """

    execution_id: str
    generation: int
    shipment: Shipment
    last_seq: int = 0
    runner: RunnerProcess | None = None
    early: list[Answered | CancelRequested] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Agent:
    """One worker: claims executions, runs them in warm runners and reports what happens.

    Args:
        port: the server, in this process or far away.
        name: unique among the workers of a server.
        slots: executions at once that it announces.
        runner_processes: runners of one code version at most; cores by default.
        serializer: "pkl", or "json" to refuse what JSON cannot carry.
        key: signs values that only dill can carry; the same on all workers of a server.
        home: folder for files that user code keeps.
        default_timeout: seconds for tasks without a timeout of their own, 0 for none.
        cwd: folder in which user code runs.
        on_connection: told when the server is reached or lost, with a reason.

    Example:
        >>> agent = Agent(port, name="w1", slots=100)  # doctest: +SKIP
        >>> running = asyncio.create_task(agent.run())  # doctest: +SKIP
        >>> await agent.stop(grace=10)  # doctest: +SKIP
    """

    def __init__(
        self,
        port: WorkerPort,
        *,
        name: str,
        slots: int = 100,
        runner_processes: int | None = None,
        serializer: str = "pkl",
        key: bytes = b"",
        home: str = "",
        default_timeout: float = 0,
        cwd: str = "",
        labels: dict[str, str] | None = None,
        limits: Limits | None = None,
        clock: Clock | None = None,
        on_connection: Callable[[bool, str], None] | None = None,
    ) -> None:
        if not name or "/" in name:
            raise UsageError(f"'{name}' cannot name a worker: it stands in addresses.", hint="Leave out the slash.")
        self.name = name
        self._port = port
        self._clock = clock or SystemClock()
        self._connection = Connection()
        self._link = Link(
            port,
            name,
            self._connection,
            registration=lambda: facts.registration(name, slots, labels or {}),
            on_delivery=self._handle,
            on_change=on_connection or (lambda up, reason: None),
            running=lambda: self.running,
            clock=self._clock,
        )
        self._held: dict[str, _Held] = {}
        self._claiming: dict[str, list[Answered | CancelRequested]] = {}
        self._suspects: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = asyncio.Event()
        self._stopped = asyncio.Event()
        self._grace = 0.0
        self._logs = log_stream(port, name, self._connection)
        self._progress = progress_stream(port, name)
        self.pool = Pool(
            self,
            self._fetch,
            size=runner_processes,
            cwd=cwd,
            settings={
                "serializer": serializer,
                "key": key.hex(),
                "home": home,
                "default_timeout": str(default_timeout),
            },
            limits=limits,
            clock=self._clock,
        )
        self._checks = Checks(self.pool)

    @property
    def running(self) -> tuple[str, ...]:
        """Ids of the executions that this worker holds."""
        return tuple(self._held)

    # -- life ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until `stop`. Raises `UnauthorizedError` and the like when the server refuses the worker."""
        self.pool.start()
        heartbeats = asyncio.get_running_loop().create_task(self._link.beat())
        try:
            await self._link.hold(self._stopping)
            await self._drain()
        finally:
            heartbeats.cancel()
            await self._end()
            self._stopped.set()

    async def stop(self, grace: float = 0.0) -> None:
        """Take no more work, give what runs `grace` seconds to finish, hand the rest back; then `run` returns."""
        self._grace = grace
        self._stopping.set()
        await self._stopped.wait()

    async def _drain(self) -> None:
        """Wait for what runs, within the grace period."""
        if self._grace > 0 and self._held:
            waiting = [asyncio.ensure_future(held.gone.wait()) for held in self._held.values()]
            _, late = await asyncio.wait(waiting, timeout=self._grace)
            for wait in late:
                wait.cancel()

    async def _end(self) -> None:
        """Kill what is left first and leave then, so that nothing runs twice."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._checks.end()
        held, self._held = list(self._held.values()), {}
        await self.pool.close()
        for one in held:
            await one.shipment.settled(0.1)
            one.shipment.abandon()
        await self._logs.settled(0.2)
        self._logs.abandon()
        self._progress.abandon()
        if self._connection.up.is_set():
            with contextlib.suppress(FluxError, OSError, TimeoutError):
                await asyncio.wait_for(self._port.leave(self.name), 2.0)

    # -- from the server ------------------------------------------------------------------------

    def _handle(self, delivery: Delivery) -> None:
        match delivery:
            case Assigned():
                if delivery.execution_id not in self._claiming:
                    # At once: what comes for it while the claim is on its way must not get lost.
                    self._claiming[delivery.execution_id] = []
                    self._spawn(self._take(delivery))
            case Answered() | CancelRequested():
                self._forward(delivery)
            case Prewarm():
                self._spawn(self._prewarm(delivery))
            case ValidationRequested():
                self._spawn(self._validate(delivery))
            case ProbeRequested():
                self._spawn(self._probe(delivery))
            case ReplayRequested():
                self._spawn(self._replay(delivery))

    async def _take(self, assigned: Assigned) -> None:
        """Claim an execution and start it, when what runs of it here under an earlier claim has gone."""
        execution_id = assigned.execution_id
        try:
            earlier = self._held.get(execution_id)
            if earlier is not None and earlier.shipment.releasing:
                await earlier.gone.wait()
            claim = await self._port.claim(self.name, execution_id)
            if (earlier := self._held.get(execution_id)) is not None:
                if earlier.generation == claim.execution.generation:
                    return
                await self._fence(earlier)
            held = self._hold(claim, self._claiming[execution_id])
        except (ConflictError, NotFoundError) as error:
            logger.debug("execution %s is not ours: %s", execution_id, error)
            return
        except UNREACHABLE as error:
            # Offered again once the worker is back.
            logger.info("execution %s could not be claimed: %s", execution_id, error)
            self._connection.broken()
            return
        finally:
            self._claiming.pop(execution_id, None)
        await self._place(held, claim)

    async def _fence(self, held: _Held) -> None:
        """End what runs under a claim that the server has given out again."""
        held.shipment.abandon()
        if held.runner is not None:
            reason = "the server has given the execution out again"
            held.runner.send(Ack(held.execution_id, held.generation, error=reason))
        await held.gone.wait()

    async def _place(self, held: _Held, claim: Claim) -> None:
        alone = held.execution_id in self._suspects
        try:
            runner = await self.pool.runner_for(claim.execution.digest, alone=alone)
        except LoadFailed as error:
            reason = f"{error}\n{error.loaded.traceback}" if error.loaded.traceback else str(error)
            await self._give_up(held, f"the code cannot be imported: {reason}")
            return
        except (FluxError, OSError) as error:
            await self._give_up(held, f"no runner could be started: {error}")
            return
        held.runner = runner
        runner.start(claim)
        for early in held.early:
            _pass_on(runner, held, early)

    async def _give_up(self, held: _Held, reason: str) -> None:
        self._let_go(held)
        death = RunnerDied((held.execution_id,), (held.generation,), reason, alone=True)
        await self._connection.retried(lambda: self._port.died(self.name, death))

    def _hold(self, claim: Claim, early: list[Answered | CancelRequested]) -> _Held:
        execution = claim.execution
        shipment = Shipment(self._port, self.name, self._connection, self._acknowledged, self._refused)
        held = _Held(execution.id, execution.generation, shipment, execution.last_seq, early=early)
        self._held[execution.id] = held
        return held

    def _forward(self, delivery: Answered | CancelRequested) -> None:
        """Pass an event on to what runs here, and keep it for the claim that is on its way."""
        if (claiming := self._claiming.get(delivery.execution_id)) is not None:
            claiming.append(delivery)
        held = self._held.get(delivery.execution_id)
        if held is None:
            return
        if held.runner is None:
            held.early.append(delivery)
        else:
            _pass_on(held.runner, held, delivery)

    async def _prewarm(self, delivery: Prewarm) -> None:
        try:
            await self.pool.prewarm(delivery.digest)
        except (FluxError, OSError) as error:
            logger.warning("version %s could not be made ready: %s", delivery.digest[:12], error)

    async def _validate(self, asked: ValidationRequested) -> None:
        frame = Validate(
            asked.request_id, asked.namespace, asked.name, asked.kind, asked.value, asked.schema, asked.model
        )
        try:
            errors = await self._checks.check(asked.digest, frame)
        except LoadFailed as error:
            errors = [{"loc": [], "msg": f"The code of this version cannot be imported: {error}", "type": "code"}]
        except (FluxError, OSError) as error:
            logger.warning("no runner for a validation: %s", error)
            return
        if errors is None:
            errors = [{"loc": [], "msg": "The runner ended while it checked this value.", "type": "runner"}]
        result = ValidationResult(asked.request_id, tuple(errors))
        await self._answer(self._port.validated(self.name, result))

    async def _probe(self, asked: ProbeRequested) -> None:
        try:
            loaded = await self.pool.probe(asked.bundle, asked.cwd)
        except OSError as error:
            result = ProbeResult(asked.request_id, error=f"no runner could be started: {error}")
        else:
            result = ProbeResult(
                asked.request_id, loaded.manifest, loaded.error, loaded.traceback, loaded.path, loaded.line
            )
        await self._answer(self._port.probed(self.name, result))

    async def _replay(self, asked: ReplayRequested) -> None:
        fetch = partial(fetch_history, self._port, self.name)
        verdicts = await self.pool.replay(asked.bundle, asked.execution_ids, fetch, asked.cwd)
        await self._answer(self._port.replayed(self.name, ReplayResult(asked.request_id, tuple(verdicts))))

    async def _answer(self, request: Coroutine[Any, Any, None]) -> None:
        try:
            await request
        except (FluxError, OSError) as error:
            logger.info("an answer did not reach the server: %s", error)

    async def _fetch(self, digest: str) -> Bundle:
        return await self._port.bundle(self.name, digest)

    # -- from the runners ------------------------------------------------------------------------

    def on_frame(self, runner: RunnerProcess, frame: FromRunner) -> None:
        """A frame about an execution."""
        match frame:
            case Append():
                self._append(runner, frame)
            case Ask():
                self._spawn(self._ask(runner, frame))
            case Output():
                self._logs.add(frame.lines)
            case Progressed():
                self._progress.add([Progress(frame.execution_id, frame.source_id, frame.name, frame.value)])
            case Gone():
                self._left(runner, frame)

    def _append(self, runner: RunnerProcess, append: Append) -> None:
        if (held := self._find(append.execution_id, append.generation)) is not None:
            held.shipment.add(append)
        else:
            reason = "this claim of the execution has ended"
            runner.send(Ack(append.execution_id, append.generation, error=reason))

    async def _ask(self, runner: RunnerProcess, ask: Ask) -> None:
        """Pass a question on to the server, as often as it takes; what does not run here any more gets no answer."""
        values: Mapping[str, Payload] = {}
        error = ""
        try:
            values = await self._connection.retried(lambda: self._port.ask(self.name, ask.execution_id, ask.inquiry))
        except Exception as refused:
            error = str(refused) or type(refused).__name__
        if self._find(ask.execution_id, ask.generation) is not None and runner.alive:
            runner.send(Told(ask.execution_id, ask.generation, ask.request_id, dict(values), error))

    def on_output(self, lines: tuple[LogLine, ...]) -> None:
        """Raw output of a runner."""
        self._logs.add(lines)

    def on_death(self, runner: RunnerProcess, reason: str) -> None:
        """A runner has ended with executions in it."""
        held = [held for one in runner.executions.items() if (held := self._find(*one)) is not None]
        if held and not self._stopped.is_set():
            self._spawn(self._report_death(held, reason))

    async def _report_death(self, held: list[_Held], reason: str) -> None:
        """What was finished before the end is sent first; then each of the others is to run alone."""
        await asyncio.gather(*(one.shipment.settled(_LAST_WORDS) for one in held))
        lost = [one for one in held if not (one.shipment.released or one.shipment.refused)]
        for one in held:
            self._let_go(one)
        if not lost:
            return
        logger.warning("a runner %s; executions in it: %s", reason, ", ".join(one.execution_id for one in lost))
        if len(self._suspects) > _SUSPECTS_KEPT:
            self._suspects.clear()  # most have long since ended on other workers
        self._suspects.update(one.execution_id for one in lost)
        death = RunnerDied(
            tuple(one.execution_id for one in lost),
            tuple(one.generation for one in lost),
            reason,
            alone=len(held) == 1,
        )
        with contextlib.suppress(FluxError):
            await self._connection.retried(lambda: self._port.died(self.name, death))

    def _left(self, runner: RunnerProcess, gone: Gone) -> None:
        self.pool.release(runner, gone.execution_id, gone.generation)
        self._suspects.discard(gone.execution_id)
        held = self._find(gone.execution_id, gone.generation)
        if held is not None and held.runner is runner:
            self._let_go(held)

    def _find(self, execution_id: str, generation: int) -> _Held | None:
        """What is held under that claim, not under an earlier or a later one."""
        held = self._held.get(execution_id)
        return held if held is not None and held.generation == generation else None

    def _let_go(self, held: _Held) -> None:
        if self._held.get(held.execution_id) is held:
            del self._held[held.execution_id]
        held.gone.set()

    def _acknowledged(self, append: Append, first_seq: int) -> None:
        held = self._find(append.execution_id, append.generation)
        if held is not None and held.runner is not None:
            ordinal = append.events[-1].ordinal if append.events else 0
            held.runner.send(Ack(append.execution_id, append.generation, ordinal, first_seq))

    def _refused(self, append: Append, reason: str) -> None:
        held = self._find(append.execution_id, append.generation)
        if held is not None and held.runner is not None:
            held.runner.send(Ack(append.execution_id, append.generation, error=reason))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s: %s", type(error).__name__, error, exc_info=error)


def _pass_on(runner: RunnerProcess, held: _Held, delivery: Answered | CancelRequested) -> None:
    """Tell the running code of an event that its history does not hold yet."""
    if delivery.event.seq <= held.last_seq:
        return
    frame = Answer if isinstance(delivery, Answered) else Cancel
    runner.send(frame(held.execution_id, held.generation, delivery.event))
