"""Whatever happens in whatever order: the engine against a plain model of what it promises."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import event, note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from flux.domain import ExecutionEventType, ExecutionState, WaitKind
from flux.domain.transitions import fold
from flux.errors import (
    ExecutionCancellingError,
    ExecutionFinishedError,
    NotPausedError,
    WaitAmbiguousError,
    WaitAnsweredError,
    WaitNotFoundError,
)
from flux.store.committer import run_inline

from .programs import ANYTHING, PROGRAMS, Failed, Seq, lengthened, read, undecided
from .world import ID, RESCUE, Interpreter, World, transitions

E = ExecutionEventType
S = ExecutionState
FINAL = frozenset({S.COMPLETED, S.CANCELLED})

TIMEOUTS = st.sampled_from([0.0, 0.0, 0.0, 40.0])
DURABILITIES = st.sampled_from(["strict", "strict", "strict", "relaxed"])
PLACES = st.sampled_from(["server", "server", "local"])
DEATHS = st.one_of(st.none(), st.none(), st.tuples(st.sampled_from(["before", "after"]), st.integers(1, 12)))
EVERYTHING = 1000
PASSES = st.sampled_from([1, 3, 5, 8, 13, EVERYTHING, EVERYTHING, EVERYTHING])
BOTH = slice(0, 2)
ANNOUNCED = {"both": BOTH, "twice": slice(0, 0), "claimed": slice(1, 2), "nothing": slice(0, 0)}
"""Which of the two events of a claim go with it."""

RULES = (
    *("claim by a worker", "claim by a local run", "restart", "crash", "steal", "run", "time passes", "notify"),
    *("does not die", "dies before an append", "dies after an append", "cancel", "reopen", "move back"),
    *("deploy compatible code", "deploy incompatible code", "answer accepted", "compared with the model"),
    *(f"answer refused: {error}" for error in ("WaitNotFoundError", "WaitAmbiguousError", "WaitAnsweredError")),
    *("answer refused: ExecutionCancellingError", "another", "parked"),
)
"""What a long run has to have done."""
rules: Counter[str] = Counter()
"""How often each rule ran, over all examples."""
passed: Counter[tuple[ExecutionState, ExecutionEventType]] = Counter()
"""How often each event met each state."""


class Engine(RuleBasedStateMachine):
    """One execution under fire."""

    world: World

    @initialize(program=PROGRAMS, place=PLACES, timeout=TIMEOUTS, durability=DURABILITIES)
    def begin(self, program: Seq, place: str, timeout: float, durability: str) -> None:
        self.local = place == "local"
        self.world = World(program, timeout=timeout, durability=durability)
        self.seen = 0
        self.final: ExecutionState | None = None
        self.cancelled = self.diverges = self.eager = False
        self.lengthened = 0
        self.count("begin")

    def count(self, name: str) -> None:
        rules[name] += 1
        event(name)

    @property
    def state(self) -> ExecutionState:
        return self.world.execution.state

    # -- owners --------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.session is None and not self.state.is_terminal)
    @rule(announced=st.sampled_from(list(ANNOUNCED)), dies=DEATHS, passes=PASSES)
    def claim(self, announced: str, dies: tuple[str, int] | None, passes: int) -> None:
        """Somebody takes it up, what a dead owner held too; perhaps only to die at one of its appends."""
        world = self.world
        if world.held:
            world.requeue()
            self.count("restart")
        if announced == "twice":  # a dispatcher said for whom it was meant, and died before the claim
            world.append(world.recorder.claiming(world.execution, "w1")[0].type)
        world.doom = dies
        if world.claim(self.owner(), ANNOUNCED[announced], passes):
            self.count(f"claim by {'a local run' if self.local else 'a worker'}")
            self.count(f"dies {dies[0]} an append" if dies else "does not die")

    def owner(self) -> str:
        """Who takes it up next."""
        return "local:here:1" if self.local else "w1"

    @precondition(lambda self: self.world.session is not None)
    @rule()
    def crash(self) -> None:
        """The process of the owner dies."""
        self.world.loop.call_soon(self.world.die)
        self.world.loop.settle()
        self.count("crash")

    @precondition(lambda self: self.world.session is not None)
    @rule()
    def steal(self) -> None:
        """An owner that is thought dead goes on for a while beside the next one."""
        self.world.doom = None
        self.world.ledger.exempt |= self.world.options["durability"] == "relaxed"
        self.world.requeue()
        if self.world.claim(self.owner(), BOTH, EVERYTHING):
            self.count("steal")

    # -- time ------------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.session is not None)
    @rule(told=st.booleans(), passes=PASSES)
    def run(self, told: bool, passes: int) -> None:
        """The loop turns a few times, or to the next timer; its owner may learn what has come for it."""
        if told and self.world.notices:
            self.world.notify(passes)
            self.count("notify")
        elif not self.world.move(passes):
            self.world.loop.skip(self.world.loop.elapsed + 5)
        self.count("run")

    @precondition(lambda self: self.world.pending and not self.state.is_terminal)
    @rule(seconds=st.sampled_from([0.05, 1, 2, 30, 100]))
    def pass_time(self, seconds: float) -> None:
        until = self.world.loop.elapsed + seconds
        while self.world.loop.elapsed < until:
            self.world.loop.skip(until)
        self.wake()
        self.count("time passes")

    def wake(self) -> None:
        """The scheduler looks for timers that are due."""
        world = self.world
        world.serve(world.store.waits.wake(world.clock.now()))

    @precondition(lambda self: self.state.is_terminal)
    @rule(program=PROGRAMS, place=PLACES, timeout=TIMEOUTS, durability=DURABILITIES)
    def another(self, program: Seq, place: str, timeout: float, durability: str) -> None:
        """What has ended takes no more, and makes room for the next execution."""
        for touch, refused in ((self.world.cancel, self.state is not S.CANCELLED), (self.world.answer_nothing, True)):
            try:
                touch()
            except ExecutionFinishedError:
                assert refused
            else:
                assert not refused
        assert not self.world.claim(self.owner(), BOTH, 1)
        self.finish()
        self.count("another")
        self.begin(program, place, timeout, durability)

    # -- people ------------------------------------------------------------------------------------------

    @precondition(lambda self: any(wait.kind is WaitKind.INPUT for wait in self.world.pending))
    @rule(data=st.data(), value=st.sampled_from([7, 8, "words"]))
    def answer(self, data: st.DataObject, value: Any) -> None:
        inputs = [wait for wait in self.world.pending if wait.kind is WaitKind.INPUT]
        names = [*(wait.name for wait in inputs), *(wait.id for wait in inputs), None, None, "nobody"]
        wait = data.draw(st.sampled_from(names), label="wait")
        wanted = self.expected_answer(inputs, wait)
        try:
            self.world.answer(wait, value)
        except Exception as error:
            assert wanted is not None, error
            assert isinstance(error, wanted), f"{error!r} instead of {wanted}"
            self.count(f"answer refused: {type(error).__name__}")
        else:
            assert wanted is None, f"accepted instead of {wanted}"
            self.count("answer accepted")

    def expected_answer(self, inputs: list[Any], wait: str | None) -> Any:
        """What the model expects of an answer: None when it is taken, else the error."""
        if self.state.is_terminal:
            return ExecutionFinishedError
        if self.state is S.CANCELLING:
            return ExecutionCancellingError
        if wait == "nobody":
            return WaitNotFoundError
        meant = [one for one in inputs if wait in (None, one.id, one.name)]
        unanswered = [one for one in meant if not one.answered]
        if not unanswered:
            return WaitAnsweredError if meant else NotPausedError
        return WaitAmbiguousError if len(unanswered) > 1 else None

    @precondition(lambda self: not self.cancelled and not self.state.is_terminal)
    @rule(really=st.sampled_from([False, False, True]))
    def cancel(self, really: bool) -> None:
        if not really:
            return
        if len(self.world.history) < 3 and not self.eager:
            self.eager = True
            return
        self.world.cancel()
        self.cancelled = True
        self.count("cancel")

    # -- code --------------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.session is None and self.lengthened < 2 and self.state is not S.COMPLETED)
    @rule(fits=st.booleans())
    def deploy(self, fits: bool) -> None:
        """More is done at the end; or the first task is another one, and what is recorded of it does not fit."""
        code = self.world.programs[-1]
        if fits:
            self.lengthened += 1
            self.world.programs.append(replace(code, program=lengthened(code.program)))
            self.count("deploy compatible code")
        else:
            self.deploy_other_code()

    def deploy_other_code(self) -> None:
        """The first task is another one; it matters when that is recorded."""
        recorded = any(one.type is E.TASK_COMPLETED and one.name == "do" for one in self.world.history)
        if recorded and not self.cancelled and not self.diverges:
            self.diverges = True
            self.world.programs.append(replace(self.world.programs[-1], salt="!"))
            self.count("deploy incompatible code")

    @precondition(lambda self: self.diverges and self.world.session is None)
    @rule()
    def move_back(self) -> None:
        """Somebody has it go on with code that fits."""
        self.diverges = False
        self.world.programs.append(replace(self.world.programs[-1], salt=""))
        if not self.local and not self.state.is_terminal:
            self.world.append(E.WORKFLOW_MOVED, {"from": "b", "to": "a"})
        self.count("move back")

    @precondition(lambda self: self.state is S.FAILED)
    @rule(code=st.sampled_from(["the same", "other", "mended", "mended"]))
    def reopen(self, code: str) -> None:
        """Somebody has it go on: with the code that failed, with other code, or with code that asks for help."""
        if code == "other":
            self.deploy_other_code()
        elif code == "mended":
            self.world.programs.append(replace(self.world.programs[-1], asks=True))
        self.world.append(E.WORKFLOW_REOPENED)
        self.count("reopen")

    # -- promises -----------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_broken(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        history, execution = world.history, world.execution
        assert not world.ledger.wrong, list(world.ledger.wrong)
        assert [one.seq for one in history] == list(range(1, len(history) + 1))
        assert len({one.id for one in history}) == len(history)
        assert execution.state is fold(history)
        assert execution.last_seq == len(history) >= self.seen
        assert self.final in (None, execution.state)
        self.final = execution.state if execution.state in FINAL else None
        passed.update(transitions(history)[len(transitions(history[: self.seen])) :])
        self.seen = len(history)
        self.waits_agree()

    def waits_agree(self) -> None:
        world = self.world
        logged = world.open_waits()
        assert {wait.id: wait.answered for wait in world.pending} == logged
        taken = Counter(one.source_id for one in world.history if one.type in (E.TASK_RESUMED, E.TASK_RESUME_REJECTED))
        for wait, count in taken.items():
            assert count <= len(world.answers.get(wait, ())), f"an answer to {wait} was taken twice"

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.finish()

    def finish(self) -> None:
        """Bring it to its end, and look at that."""
        try:
            self.come_to_an_end()
            self.nothing_is_broken()
            self.fits_the_model()
        except BaseException:
            note("\n".join(f"{one.seq} {one.type} {one.name} {one.source_id}" for one in self.world.history))
            raise
        finally:
            self.world.close()

    def come_to_an_end(self) -> None:
        """Everything is answered, what died is restarted, and time passes: it ends."""
        for _ in range(400):
            world = self.world
            world.doom = None
            if world.session is not None:
                self.nudge()
            elif self.state.is_terminal:
                return
            else:
                self.carry_on()
            self.nothing_is_broken()
        raise AssertionError(f"it does not end: {self.state}, {self.world.pending}, {self.world.execution}")

    def nudge(self) -> None:
        world = self.world
        while world.notices:
            world.notify(EVERYTHING)
            if world.session is None:
                return
        self.answer_all()
        world.loop.skip(world.loop.elapsed + 20)

    def carry_on(self) -> None:
        """Nobody runs it: find out what it needs."""
        world = self.world
        world.requeue()
        if self.diverges and (self.local or world.parked()):
            self.count("parked")
            self.move_back()
        self.answer_all()
        self.wake()
        if world.claim(self.owner(), BOTH, EVERYTHING):
            return
        wake_at = run_inline(world.store.waits.next_wake())
        assert wake_at is not None, f"nothing will ever wake it: {self.state}, {world.pending}"
        world.loop.settle()
        world.loop.elapsed += max(0.0, (wake_at - world.clock.now()) / 1e6) + 0.001
        self.wake()

    def answer_all(self) -> None:
        if self.state is S.CANCELLING or self.state.is_terminal:
            return
        for wait in self.world.pending:
            if wait.kind is WaitKind.INPUT and not wait.answered:
                self.world.answer(wait.id, 9)

    def fits_the_model(self) -> None:
        """Undisturbed by time and by people, it came out as a plain reading of the program says."""
        world, execution = self.world, self.world.execution
        code = world.programs[-1]
        program = code.program
        kept = [one for one in world.history if one.type is E.WORKFLOW_TIMED_OUT]
        event(f"ended {execution.state}")
        if execution.state is S.CANCELLED:
            assert self.cancelled
        if self.cancelled or kept or undecided(program) or world.ledger.exempt:
            return
        try:
            wanted = self.wanted(code)
        except Failed:
            assert execution.state is S.FAILED
        else:
            note(f"wanted {wanted}")
            assert execution.state is S.COMPLETED, world.codec.decode(execution.output)
            assert wanted == world.codec.decode(execution.output)
        self.count("compared with the model")

    def wanted(self, code: Interpreter) -> Any:
        """What the code gives by a plain reading. Raises `Failed`."""
        told = self.world.ledger.told
        try:
            return read(code.program, "r", told)
        except Failed:
            if not code.asks:
                raise
            return told.get(RESCUE, ANYTHING)


__all__ = ["ID", "Engine", "passed", "rules"]
