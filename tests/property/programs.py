"""Random workflows: trees of steps, an interpreter that runs them with Flux, and a plain reading of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st


@dataclass(frozen=True)
class Do:
    """A task of its own.

    Attributes:
        fails: first runs that fail; -1 for all of them.
        takes: seconds.
    """

    fails: int = 0
    retries: int = 0
    takes: float = 0.0
    sync: bool = False
    timeout: float = 0.0
    fallback: str = ""
    rollback: str = ""


@dataclass(frozen=True)
class Ask:
    """A pause; a strict one takes whole numbers only."""

    strict: bool = False


@dataclass(frozen=True)
class Nap:
    """A durable sleep."""

    seconds: float


@dataclass(frozen=True)
class Idle:
    """A sleep of asyncio's."""

    seconds: float


@dataclass(frozen=True)
class Chance:
    """`now()`, `uuid4()` or `randint()`."""

    kind: str


@dataclass(frozen=True)
class Together:
    """Branches side by side: `parallel`, `gather`, a task group, `wait(FIRST_COMPLETED)`, or a list of tasks."""

    kind: str
    steps: tuple[Any, ...]


@dataclass(frozen=True)
class Each:
    """`task.map`."""

    items: int
    step: Do
    max_concurrent: int | None = None


@dataclass(frozen=True)
class Seq:
    """One after the other."""

    steps: tuple[Any, ...]


@dataclass(frozen=True)
class Try:
    """Errors are caught; with a cleanup, that runs behind the step."""

    step: Any
    cleanup: Any = None


@dataclass(frozen=True)
class Within:
    """`asyncio.timeout`."""

    seconds: float
    step: Any


@dataclass(frozen=True)
class Nested:
    """A task around other steps."""

    step: Any
    retries: int = 0
    timeout: float = 0.0


Step = Do | Ask | Nap | Idle | Chance | Together | Each | Seq | Try | Within | Nested

TAKES = st.sampled_from([0.0, 0.0, 0.0, 0.02, 0.2, 3.0])


@st.composite
def does(draw: Any) -> Do:
    retries = draw(st.sampled_from([0, 0, 0, 1, 2]))
    fails = draw(st.sampled_from([0, 0, 0, *range(1, retries + 1), -1]))
    return Do(
        fails,
        retries,
        draw(TAKES),
        sync=draw(st.integers(0, 7)) == 0,
        timeout=draw(st.sampled_from([0.0, 0.0, 0.0, 1.0])),
        fallback=draw(st.sampled_from(["", "", "", "works", "fails"])),
        rollback=draw(st.sampled_from(["", "", "", "works", "fails"])),
    )


LEAVES = st.one_of(
    does(),
    does(),
    st.builds(Ask, st.booleans()),
    st.builds(Ask, st.booleans()),
    st.builds(Together, st.sampled_from(["parallel", "gather"]), st.just((Ask(), Ask(strict=True)))),
    st.builds(Nap, st.sampled_from([0.5, 2.0, 90.0])),
    st.builds(Idle, st.sampled_from([0.0, 0.1, 4.0, 40.0])),
    st.builds(Chance, st.sampled_from(["now", "uuid4", "randint"])),
)
KINDS = st.sampled_from(["parallel", "gather", "group", "first", "background"])


def _more(steps: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(steps, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Together, KINDS, several),
        st.builds(Together, KINDS, several),
        st.builds(Each, st.integers(0, 3), does(), st.sampled_from([None, 1, 2])),
        st.builds(Seq, several),
        st.builds(Try, steps),
        st.builds(Try, steps, does()),
        st.builds(Within, st.sampled_from([0.1, 5.0]), steps),
        st.builds(Nested, steps, st.sampled_from([0, 0, 1]), st.sampled_from([0.0, 0.0, 2.0])),
    )


STEPS = st.recursive(LEAVES, _more, max_leaves=8)
PROGRAMS = st.lists(STEPS, min_size=1, max_size=4).map(lambda steps: Seq((Do(), *steps)))
"""Each begins with a task that works, so that a change of it is a change of what is recorded."""


def lengthened(program: Seq) -> Seq:
    """The same with one more task at its end."""
    return replace(program, steps=(*program.steps, Do()))


class Anything:
    """Stands for a value that depends on time or chance."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]  # equal to everything

    def __repr__(self) -> str:
        return "…"


ANYTHING = Anything()


class Failed(Exception):
    """The plain reading of a step that fails."""


def read(step: Step, path: str, answers: dict[str, Any]) -> Any:
    """What a step gives when nothing disturbs it, read without asyncio and without Flux.

    Raises `Failed` when it fails. `ANYTHING` where time decides.
    """
    match step:
        case Do():
            return _read_do(step, path)
        case Ask():
            return answers.get(path, ANYTHING)
        case Nap() | Idle():
            return None
        case Chance() | Within():
            return ANYTHING
    return _read_shape(step, path, answers)


def _read_shape(step: Step, path: str, answers: dict[str, Any]) -> Any:
    match step:
        case Each(items=items, step=one):
            return [_read_do(one, f"{path}.{index}") for index in range(items)]
        case Seq(steps=steps):
            return [read(one, f"{path}.{index}", answers) for index, one in enumerate(steps)]
        case Try():
            return _read_try(step, path, answers)
        case Together(kind="first"):
            return ANYTHING
        case Together(steps=steps):
            return _read_together(steps, path, answers)
        case Nested(timeout=timeout):
            inner = read(step.step, f"{path}.n", answers)
            return ANYTHING if timeout else inner
    raise AssertionError(step)


def _read_do(step: Do, path: str) -> Any:
    works = 0 <= step.fails <= step.retries
    if step.timeout and step.takes > step.timeout and not step.sync:
        works = False
    if works:
        return path
    if step.fallback == "works":
        return f"{path} instead"
    raise Failed


def _read_try(step: Try, path: str, answers: dict[str, Any]) -> Any:
    try:
        value = read(step.step, f"{path}.t", answers)
    except Failed:
        value = "caught"
    if step.cleanup is not None:
        value = [value, read(step.cleanup, f"{path}.c", answers)]
    return ANYTHING if undecided(step.step) else value


def _read_together(steps: tuple[Step, ...], path: str, answers: dict[str, Any]) -> Any:
    values, failed = [], False
    for index, one in enumerate(steps):
        try:
            values.append(read(one, f"{path}.{index}", answers))
        except Failed:
            failed = True
    if failed:
        raise Failed
    return values


def undecided(step: Step) -> bool:
    """Whether time decides if a step fails."""
    return any(
        isinstance(one, Within)
        or (isinstance(one, Together) and one.kind == "first")
        or (isinstance(one, Nested) and one.timeout)
        for one in walk(step)
    )


def walk(step: Step) -> Iterator[Step]:
    """A step and all steps in it."""
    yield step
    inner = [getattr(step, name, None) for name in ("step", "cleanup")]
    for one in (*getattr(step, "steps", ()), *inner):
        if one is not None:
            yield from walk(one)


async def first_of(tasks: list[asyncio.Task[Any]]) -> tuple[int, Any]:
    """Index and result of the task that is done first; the others are cancelled."""
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    winner = min(index for index, task in enumerate(tasks) if task in done)
    return winner, tasks[winner].result()
