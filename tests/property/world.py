"""One execution of a random program: the real engine on a real store, and what a plain model knows of it."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from flux import ExecutionContext, task, workflow
from flux.codec import Codec
from flux.dispatch.records import Recorder
from flux.domain import EventRecord, Execution, ExecutionEventType, ExecutionState, WaitKind
from flux.domain.transitions import fold, next_state
from flux.engine.frame import current_frame
from flux.engine.session import Session
from flux.errors import ExecutionError, StaleClaimError
from flux.local.journal import LocalJournal
from flux.store import Append, Store
from flux.store.committer import run_inline
from flux.tasks import now, parallel, pause, randint, sleep, uuid4

from .programs import Ask, Chance, Do, Each, Idle, Nap, Nested, Seq, Step, Together, Try, Within, first_of, walk
from .stepping import LoopClock, SteppingLoop

E = ExecutionEventType
S = ExecutionState
ENDS = frozenset({E.TASK_COMPLETED, E.TASK_FAILED, E.TASK_CANCELLED})
ID = "execution"


@dataclass
class Ledger:
    """What the outside world sees of the tasks, and what the code has been told.

    Attributes:
        ran: bodies begun, by path.
        told: what the code saw of a call, by path: never anything else later.
        wrong: promises broken.
        exempt: relaxed durability lets a crash repeat what was told.
        owner: whose code counts: nobody can stop one that has lost the execution before its next write.
    """

    ran: Counter[str] = field(default_factory=Counter)
    told: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    exempt: bool = False
    owner: Session | None = None

    @property
    def lost(self) -> bool:
        """Whether the code that runs belongs to an owner that has lost the execution, and is about to learn it."""
        return current_frame().session is not self.owner

    def begin(self, path: str) -> int:
        """A body runs; how often it has run by now."""
        if path in self.told and not self.exempt and not self.lost:
            self.wrong.append(f"{path} runs again although its outcome was delivered")
        self.ran[path] += 1
        return self.ran[path]

    def tell(self, path: str, value: Any) -> Any:
        """The code gets the outcome of a call."""
        if self.lost:
            return value
        if self.told.setdefault(path, value) != value and not self.exempt:
            self.wrong.append(f"{path} was {self.told[path]!r} and is {value!r} now")
        return value

    def forget(self, prefix: str) -> None:
        """What was called in a failed attempt is called anew."""
        for path in [path for path in self.told if path.startswith(prefix) and not self.lost]:
            del self.told[path]


ledger = Ledger()
"""Of the example that runs now; tasks reach it by name, as user code reaches the world."""


def _behave(path: str, fails: int) -> str:
    if ledger.begin(path) <= fails or fails < 0:
        raise LookupError(path)
    return path


@task
async def do(path: str, fails: int, takes: float) -> str:
    if takes:
        await asyncio.sleep(takes)
    return _behave(path, fails)


@task
def do_in_thread(path: str, fails: int, takes: float) -> str:
    return _behave(path, fails)


def _works(path: str, fails: int, takes: float) -> str:
    return f"{path} instead"


async def _fails(path: str, fails: int, takes: float) -> str:
    raise OSError(path)


HANDLERS = {"": None, "works": _works, "fails": _fails}


RESCUE = "r.rescue"
"""Path of what a person says when a program has failed."""


@dataclass(frozen=True)
class Interpreter:
    """Runs a program as the body of a workflow.

    Attributes:
        salt: makes the first task another one: code that has changed in a way that matters.
        asks: a person says what comes out when the program fails.
    """

    program: Seq
    salt: str = ""
    asks: bool = False

    async def body(self, ctx: ExecutionContext[Any]) -> Any:
        """The workflow."""
        try:
            return await self.run(self.program, "r")
        except Exception:
            if not self.asks:
                raise
            return await self.told(RESCUE, pause("rescue"))

    async def run(self, step: Step, path: str) -> Any:
        """One step; its value."""
        match step:
            case Do():
                return await self.told(path, self.call(step)(self.key(path), step.fails, step.takes))
            case Ask(strict=strict):
                schema = {"type": "integer"} if strict else None
                return await self.told(path, pause(f"ask {path}", output=path, schema=schema))
            case Nap(seconds=seconds):
                return await self.told(path, sleep(seconds))
            case Idle(seconds=seconds):
                return await asyncio.sleep(seconds)
            case Chance(kind=kind):
                made = {"now": now, "uuid4": uuid4}.get(kind)
                return await self.told(path, made() if made else randint(1, 10**9))
            case Each():
                calls = [(f"{path}.{index}", step.step.fails, step.step.takes) for index in range(step.items)]
                return await self.call(step.step).starmap(calls, max_concurrent=step.max_concurrent)
            case Seq(steps=steps):
                return [await self.run(one, f"{path}.{index}") for index, one in enumerate(steps)]
            case Nested():
                return await self.nested(step, path)
        return await self.shape(step, path)

    async def shape(self, step: Step, path: str) -> Any:
        """A step that is a shape of other steps."""
        match step:
            case Try():
                return await self.guarded(step, path)
            case Within(seconds=seconds):
                try:
                    async with asyncio.timeout(seconds):
                        return await self.run(step.step, f"{path}.w")
                except TimeoutError:
                    return "too late"
            case Together(kind="parallel"):
                return await parallel(*self.branches(step, path))
            case Together(kind="gather"):
                return await asyncio.gather(*self.branches(step, path))
            case Together(kind="group"):
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(branch) for branch in self.branches(step, path)]
                return [one.result() for one in tasks]
            case Together(kind="first"):
                winner = await first_of([asyncio.create_task(branch) for branch in self.branches(step, path)])
                return ledger.tell(f"{path}.first", winner)
            case Together():
                tasks = [asyncio.create_task(branch) for branch in self.branches(step, path)]
                return [await one for one in tasks]
        raise AssertionError(step)

    def branches(self, step: Together, path: str) -> list[Any]:
        """The branches as coroutines."""
        return [self.run(one, f"{path}.{index}") for index, one in enumerate(step.steps)]

    async def guarded(self, step: Try, path: str) -> Any:
        """Errors are caught, the cleanup runs in any case."""
        try:
            value = await self.run(step.step, f"{path}.t")
        except Exception:
            value = "caught"
        finally:
            if step.cleanup is not None:
                cleaned = await self.run(step.cleanup, f"{path}.c")
        return value if step.cleanup is None else [value, cleaned]

    async def nested(self, step: Nested, path: str) -> Any:
        """The step inside a task."""

        async def body(path: str) -> Any:
            ledger.begin(path)
            try:
                return await self.run(step.step, f"{path}.n")
            except GeneratorExit:
                raise
            except BaseException:
                ledger.forget(f"{path}.n")
                raise

        options = {"retry_max_attempts": step.retries, "retry_delay": 0.5, "timeout": step.timeout}
        return await self.told(path, task.with_options(name="nested", **options)(body)(path))

    async def told(self, path: str, awaitable: Any) -> Any:
        """Await a call of Flux's and note what came of it."""
        try:
            value = await awaitable
        except ExecutionError as error:
            ledger.tell(path, f"failed: {error}")
            raise
        return ledger.tell(path, value)

    def call(self, step: Do) -> Any:
        """The task of a step."""
        options = {
            "retry_max_attempts": step.retries,
            "retry_delay": 1.5,
            "timeout": 0 if step.sync else step.timeout,
            "fallback": HANDLERS[step.fallback],
            "rollback": HANDLERS[step.rollback],
        }
        return (do_in_thread if step.sync else do).with_options(**options)

    def key(self, path: str) -> str:
        """What tells the call of a path from others."""
        return path + self.salt if path == "r.0" else path


class Journal(LocalJournal):
    """The store's journal, until its process dies: before or after an append has become durable."""

    def __init__(self, world: World, execution: Execution) -> None:
        super().__init__(world.store, execution)
        self._world = world
        self.dead = False

    def append(self, events: Sequence[EventRecord], *, release: bool = False) -> asyncio.Future[int]:
        """Pass it on, or die."""
        lost: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if self.dead:
            return lost
        doom = self._world.doom
        if doom is None or doom[1] > 1:
            self._world.doom = doom and (doom[0], doom[1] - 1)
            return super().append(events, release=release)
        self._world.doom = None
        if doom[0] == "after":
            super().append(events, release=release)
        self._world.loop.call_soon(self._world.die)
        self.dead = True
        return lost


class World:
    """The execution, its store, and whoever runs it."""

    def __init__(self, program: Seq, *, timeout: float, durability: str) -> None:
        global ledger
        ledger = self.ledger = Ledger()
        self.activations: list[Session] = []
        self.loop = SteppingLoop()
        self.loop.set_exception_handler(self._complain)
        self.clock = LoopClock(self.loop)
        self.codec = Codec("pkl", b"key")
        self.recorder = Recorder(self.clock)
        self.numbers = itertools.count(1)
        self.server = asyncio.new_event_loop()
        self.store: Store = self.serve(Store.open("sqlite:///:memory:", clock=self.clock))
        self.programs = [Interpreter(program)]
        self.options: dict[str, Any] = {"timeout": timeout, "durability": durability}
        self.session: Session | None = None
        self.running: asyncio.Task[None] | None = None
        self.journal: Journal | None = None
        self.doom: tuple[str, int] | None = None
        self.answers: dict[str, list[Any]] = {}
        self.notices: list[EventRecord] = []
        self.owner = ""
        ref = self.workflow.ref
        new = Execution(ID, ref, S.CREATED, input=self.codec.encode(None))
        self.serve(self.store.executions.create(new))

    def serve(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """What the server does, while the code stands still."""
        return self.server.run_until_complete(coroutine)

    def _complain(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Errors of the engine's callbacks count; what tasks of the program leave unread does not."""
        if "handle" in context:
            self.ledger.wrong.append(f"{context['message']}: {context.get('exception')!r}")

    # -- looking at it ---------------------------------------------------------------------------

    @property
    def workflow(self) -> Any:
        """The code as it is now."""
        return workflow.with_options(name="w", **self.options)(self.programs[-1].body)

    @property
    def execution(self) -> Execution:
        """As the store has it."""
        return run_inline(self.store.executions.get(ID))

    @property
    def history(self) -> list[EventRecord]:
        """All events."""
        return list(self.serve(self.store.executions.history(ID)))

    @property
    def pending(self) -> list[Any]:
        """Open waits by the store."""
        return run_inline(self.store.waits.pending(ID))

    # -- activations -----------------------------------------------------------------------------

    def claim(self, owner: str, announced: slice, passes: int) -> bool:
        """Give the execution to an owner and let it begin; False when there is nothing to claim."""
        execution = self.execution
        events = self.recorder.claiming(execution, owner)[announced]
        try:
            claim = self.serve(self.store.executions.claim(ID, owner, events))
        except StaleClaimError:
            return False
        self.owner = owner
        self.notices.clear()
        self.loop.complete(self._begin(claim))
        self.move(passes)
        return True

    def move(self, passes: int) -> bool:
        """Let the loop turn so many times, or until nothing is left to do; False when nothing was."""
        if passes >= 1000:
            self.loop.settle()
            return False
        moved = False
        for _ in range(passes):
            moved |= self.loop.turn()
        while self.store.committer._busy:
            self.loop.turn()
        return moved

    @property
    def held(self) -> bool:
        """Whether somebody has it, dead or alive."""
        return bool(self.execution.owner) and not self.execution.state.is_terminal

    async def _begin(self, claim: Any) -> None:
        self.journal = Journal(self, claim.execution)
        self.session = Session(
            self.workflow,
            claim.execution,
            claim.history,
            journal=self.journal,
            codec=self.codec,
            clock=self.clock,
            local=self.owner.startswith("local:"),
        )
        self.ledger.owner = self.session
        self.activations.append(self.session)
        self.running = self.loop.create_task(self._run(self.session))

    async def _run(self, session: Session) -> None:
        try:
            await session.run()
        except Exception as error:
            self.ledger.wrong.append(f"the activation raised {error!r}")
        finally:
            self.activations.remove(session)
            if self.session is session:
                self.session = self.running = None

    def die(self) -> None:
        """The process of the owner is gone: nothing of it is heard of any more."""
        self.ledger.exempt |= self.options["durability"] == "relaxed"
        if self.session is not None and self.journal is not None:
            self.journal.dead = True
            self.session.fail(StaleClaimError())

    def requeue(self) -> None:
        """Take the execution from its owner."""
        self.serve(self.store.executions.requeue([(ID, self.execution.generation)]))

    # -- what people and the server do -------------------------------------------------------------

    def event(self, type: ExecutionEventType, value: Any = None) -> EventRecord:
        """An event of the server's."""
        payload = self.codec.encode(value)
        return EventRecord(type, "server", "w", self.clock.now(), f"s{next(self.numbers)}", payload)

    def append(self, type: ExecutionEventType, value: Any = None) -> None:
        """The server writes an event."""
        append = Append(ID, self.execution.generation, [self.event(type, value)])
        self.serve(self._write(append))

    async def _write(self, append: Append) -> None:
        await self.store.executions.append(append)

    def answer(self, wait: str | None, value: Any) -> str:
        """Answer a pause; the id of the wait it was for. Raises what the store raises."""
        event = self.event(E.WORKFLOW_RESUMING, value)
        appended, chosen = self.serve(self.store.executions.answer(ID, event, wait))
        self.answers.setdefault(chosen.id, []).append(value)
        self.notices += appended.events
        return str(chosen.id)

    def cancel(self) -> None:
        """Ask for the end. Raises what the store raises."""
        asked, ended = self.event(E.WORKFLOW_CANCELLING), self.event(E.WORKFLOW_CANCELLED)
        appended = self.serve(self.store.executions.cancel(ID, [asked], [asked, ended]))
        self.notices += appended.events

    def answer_nothing(self) -> None:
        """Answer although nothing is asked."""
        self.answer(None, 1)

    def notify(self, passes: int) -> None:
        """Tell the owner what has come for it."""
        if self.session is None or not self.notices:
            return
        event = self.notices.pop(0)
        tell = self.session.cancel if event.type is E.WORKFLOW_CANCELLING else self.session.answer
        self.loop.call_soon(tell, event)
        self.move(passes)

    # -- what the log says --------------------------------------------------------------------------

    def open_waits(self) -> dict[str, bool]:
        """Ids of the waits that the log leaves open, and whether they are answered."""
        found: dict[str, tuple[str, WaitKind, bool]] = {}
        for event in self.history:
            if event.wait is not None:
                found[event.wait.id] = (event.source_id, event.wait.kind, False)
            elif event.type is E.WORKFLOW_RESUMING:
                source, kind, _ = found[event.wait_id]
                found[event.wait_id] = (source, kind, True)
            elif event.type in (E.WORKFLOW_MOVED, E.WORKFLOW_REOPENED):
                found = {key: one for key, one in found.items() if one[1] is not WaitKind.DIVERGENCE}
            else:
                found = {key: one for key, one in found.items() if one[0] != event.source_id}
            if fold_ends(event):
                found = {}
        return {key: answered for key, (_, _, answered) in found.items()}

    def parked(self) -> bool:
        """Whether a divergence waits for a decision."""
        return any(wait.kind is WaitKind.DIVERGENCE for wait in self.pending)

    def close(self) -> None:
        """Leave nothing behind."""
        self.ledger.wrong.clear()
        for session in list(self.activations):
            session.fail(StaleClaimError())
        self.loop.settle()
        self.serve(self.store.close())
        self.loop.close()
        self.server.close()


def fold_ends(event: EventRecord) -> bool:
    """Whether an event ends an execution."""
    return event.type in (E.WORKFLOW_COMPLETED, E.WORKFLOW_FAILED, E.WORKFLOW_CANCELLED)


def transitions(history: Sequence[EventRecord]) -> list[tuple[ExecutionState, ExecutionEventType]]:
    """Each event of the workflow's own with the state it met."""
    state, met = S.CREATED, []
    for event in history:
        if event.type.startswith("WORKFLOW_"):
            met.append((state, event.type))
        state = next_state(state, event.type)
    assert state is fold(history)
    return met


def plain(payload: Any) -> Any:
    """A payload as text, for messages."""
    return None if payload is None else json.loads(payload.data) if payload.encoding == "json" else payload.preview


def asks(program: Seq) -> int:
    """How many pauses a program has."""
    return sum(isinstance(one, Ask) for one in walk(program))
