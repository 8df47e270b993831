"""What events do to an execution, and which wait an answer means: pure rules, no I/O."""

from __future__ import annotations

from collections.abc import Sequence

from flux.domain import EventRecord, ExecutionEventType, ExecutionState, PendingWait, WaitKind
from flux.domain.events import HUMAN_WAITS
from flux.domain.execution import LOCAL
from flux.domain.transitions import next_state
from flux.errors import (
    ExecutionCancellingError,
    ExecutionFinishedError,
    NonDeterminismError,
    NotPausedError,
    WaitAmbiguousError,
    WaitAnsweredError,
    WaitNotFoundError,
    named_waits,
)
from flux.store.rows import Standing

_E = ExecutionEventType
_S = ExecutionState
_WORKFLOW = frozenset(kind for kind in _E if kind.startswith("WORKFLOW_"))
_TASK_ENDS = frozenset({_E.TASK_COMPLETED, _E.TASK_FAILED, _E.TASK_CANCELLED})
_ENDS = frozenset({_E.WORKFLOW_COMPLETED, _E.WORKFLOW_FAILED, _E.WORKFLOW_CANCELLED})
_GOES_ON = frozenset({_E.WORKFLOW_STARTED, _E.WORKFLOW_RESUMED, _E.WORKFLOW_REOPENED})
_UNSTARTED = frozenset({_S.CREATED, _S.SCHEDULED})
_SHOWN_TASKS = 16


def absorb(standing: Standing, event: EventRecord) -> None:
    """Let an event change an execution: its state, what it shows, when it started and ended."""
    kind = event.type
    if kind in _WORKFLOW:
        _absorb_workflow(standing, event)
    elif kind is _E.TASK_STARTED:
        standing.open_tasks = opened(standing.open_tasks, event.name)
    elif kind in _TASK_ENDS and standing.open_tasks:
        standing.open_tasks = closed(standing.open_tasks, event.name)
    wait = event.wait
    if wait is not None and wait.output is not None and wait.kind in HUMAN_WAITS and not standing.state.is_terminal:
        standing.output = wait.output


def _absorb_workflow(standing: Standing, event: EventRecord) -> None:
    before = standing.state
    standing.state = after = next_state(before, event.type)
    if after.is_terminal:
        if not before.is_terminal:
            standing.output, standing.finished_at, standing.open_tasks = event.payload, event.time, ""
        return
    if event.type is _E.WORKFLOW_PAUSED and event.payload is not None and event.payload.data != b"null":
        standing.output = event.payload
    elif event.type in _GOES_ON:
        standing.output, standing.finished_at = None, None
    if event.type is _E.WORKFLOW_STARTED and standing.started_at is None:
        standing.started_at = event.time


def until_the_end(events: Sequence[EventRecord]) -> Sequence[EventRecord]:
    """The events up to one that ends the execution for good: an ended one takes no more.

    Example:
        >>> from flux.domain import EventRecord, ExecutionEventType as E
        >>> kinds = E.WORKFLOW_STARTED, E.WORKFLOW_COMPLETED, E.TASK_COMPLETED
        >>> [str(e.type) for e in until_the_end([EventRecord(kind, "s", "n", 0, kind) for kind in kinds])]
        ['WORKFLOW_STARTED', 'WORKFLOW_COMPLETED']
    """
    for index, event in enumerate(events):
        if event.type in _ENDS:
            rest = events[index + 1 :]
            if not any(later.type is _E.WORKFLOW_REOPENED for later in rest):
                return events[: index + 1] if rest else events
    return events


def opened(tasks: str, name: str) -> str:
    """The lines of open tasks with one more; only the newest are kept."""
    if not tasks:
        return name
    if tasks.count("\n") >= _SHOWN_TASKS - 1:
        tasks = tasks.partition("\n")[2]
    return f"{tasks}\n{name}"


def closed(tasks: str, name: str) -> str:
    """The lines of open tasks without the newest of that name."""
    if tasks == name:
        return ""
    lines = tasks.split("\n")
    for index in range(len(lines) - 1, -1, -1):
        if lines[index] == name:
            del lines[index]
            break
    return "\n".join(lines)


def is_claimable(standing: Standing, owner: str) -> bool:
    """Whether an owner may take it: workers take what is ready, somebody's own process also what is idle."""
    return standing.dispatch == "ready" or (standing.dispatch == "idle" and owner.startswith(LOCAL))


def hand_over(standing: Standing, owner: str) -> None:
    """Give an execution to an owner: everybody before it is fenced off."""
    standing.generation += 1
    standing.owner = owner
    standing.dispatch = "held"
    standing.last_ordinal = 0
    standing.attention = False


def let_go(standing: Standing, *, ready: bool, now: int) -> None:
    """Take an execution from its owner; local runs stay with their process, where nobody else looks for them."""
    standing.dispatch = "done" if standing.state.is_terminal else "ready" if ready else "idle"
    if standing.dispatch == "done" or not standing.owner.startswith(LOCAL):
        standing.owner = ""
    if standing.dispatch == "ready":
        standing.not_before = now
    if standing.dispatch == "done":
        standing.attention = False


def wants_attention(standing: Standing, *, answered: bool, due: bool, parked: bool, children: bool) -> bool:
    """Whether a released execution has something to do at once.

    What its owner knew when it claimed it does not count: an answer that replay cannot reach would make the
    execution go round in circles.

    Args:
        answered: a wait is answered and not consumed. due: the time of a wait has come.
        parked: a divergence is open. children: it waits for the end of some; one that is being cancelled ends
        after them.
    """
    news = not children if standing.state is _S.CANCELLING else answered
    if standing.attention and news:
        return True
    return due and not parked


def cancels_at_once(standing: Standing) -> bool:
    """Nothing of it has run and nobody is about to run it."""
    return standing.state in _UNSTARTED and standing.dispatch != "held"


def check_answerable(standing: Standing) -> None:
    """Raises when an execution takes no answers any more."""
    if standing.state.is_terminal:
        raise ExecutionFinishedError(f"Execution '{standing.id}' is {standing.state}: it waits for nothing.")
    if standing.state is _S.CANCELLING:
        raise ExecutionCancellingError(f"Execution '{standing.id}' is being cancelled.")


def choose_wait(waits: Sequence[PendingWait], wait: str | None, execution_id: str) -> PendingWait:
    """The wait that an answer means: by id, by name, or the only one open for input.

    Args:
        waits: of the execution and of its children, at any depth. A wait for a child, also by the child's own id,
            stands for what is asked below it.
        wait: an id or a name. execution_id: whose answer it is.
    """
    if wait is None:
        return _only([one for one in waits if one.kind is WaitKind.INPUT], execution_id)
    named = _named(waits, wait, execution_id)
    if not named:
        raise missing_wait(waits, wait, execution_id)
    answerable = [asked for one in named for asked in _asked_by(one, waits)]
    if not answerable:
        raise NotPausedError(
            f"'{wait}' of execution '{execution_id}' is a {named[0].kind}: no answer ends it.",
            hint=_NO_ANSWER.get(named[0].kind, "It ends when its time comes."),
        )
    return _only(answerable, execution_id)


def _named(waits: Sequence[PendingWait], wait: str, execution_id: str) -> list[PendingWait]:
    """Those of that id, name or child: the execution's own before those below it, an id before a name."""
    own = [one for one in waits if one.execution_id == execution_id]
    for among in (own, waits):
        for naming in ("id", "name", "child"):
            if found := [one for one in among if getattr(one, naming) == wait]:
                return found
    return []


def _asked_by(wait: PendingWait, waits: Sequence[PendingWait]) -> list[PendingWait]:
    """The waits for a person behind a wait: itself, or those of the child that it is for, however deep."""
    found, behind = [], [wait]
    while behind:
        one = behind.pop(0)
        if one.kind is WaitKind.INPUT:
            found.append(one)
        elif one.child:
            behind.extend(below for below in waits if below.execution_id == one.child)
    return found


_NO_ANSWER = {
    WaitKind.DIVERGENCE: NonDeterminismError.hint,
    WaitKind.CHILD: "It ends with the child execution, which asks nobody now.",
}


def missing_wait(waits: Sequence[PendingWait], wait: str, execution_id: str) -> WaitNotFoundError:
    """The error for a wait that is not open."""
    names = named_waits([_described(one) for one in waits])
    return WaitNotFoundError(
        f"Execution '{execution_id}' has no open wait '{wait}'.",
        hint=f"Open: {names}." if names else "It waits for nothing now.",
    )


def find_wait(waits: Sequence[PendingWait], wait: str, execution_id: str) -> PendingWait:
    """The open wait of that id or name, whatever its kind."""
    named = _named(waits, wait, execution_id)
    if not named:
        raise missing_wait(waits, wait, execution_id)
    return _unambiguous(named)


def _only(waits: Sequence[PendingWait], execution_id: str) -> PendingWait:
    unanswered = [one for one in waits if not one.answered]
    if unanswered:
        return _unambiguous(unanswered)
    if waits:
        raise WaitAnsweredError(f"'{waits[0].name}' of execution '{execution_id}' has been answered already.")
    raise NotPausedError(f"Execution '{execution_id}' does not wait for an answer.")


def _unambiguous(waits: Sequence[PendingWait]) -> PendingWait:
    if len(waits) > 1:
        raise WaitAmbiguousError([_described(one) for one in waits])
    return waits[0]


def _described(wait: PendingWait) -> dict[str, str]:
    return {
        "id": wait.id,
        "name": wait.name,
        "kind": str(wait.kind),
        "execution_id": wait.execution_id,
        "workflow": str(wait.ref),
    }
