"""Explains how replayed code departs from its history."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flux.codec import Codec, Payload, to_plain
from flux.domain import EventRecord, ExecutionEventType
from flux.engine.calls import Call
from flux.engine.endings import Ending
from flux.engine.history import History
from flux.engine.reads import CLOCK, RANDOM, Read, looks_like_id, looks_like_share, looks_like_time
from flux.errors import CodecError, NonDeterminismError

_T = ExecutionEventType
_PACKAGE = str(Path(__file__).resolve().parent.parent)
_LONG = 80
Redact = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Parting:
    """Where code and history part.

    Attributes:
        recorded: the first event of the recorded call that the code does not make; None when all are met.
        attempted: the call that the code makes instead; None when it ends, or stops.
        end: how the code ends instead of making a call.
        reads: what the workflow's body reads from outside by itself.
        redact: hides secrets in texts; before they are cut, since half a secret would not be recognised.
    """

    history: History
    recorded: EventRecord | None = None
    attempted: Call | None = None
    end: Ending | None = None
    reads: tuple[Read, ...] = ()
    redact: Redact = str

    @property
    def met_later(self) -> EventRecord | None:
        """The record of the attempted call, when it has one further down."""
        call = self.history.calls.get(self.attempted.id) if self.attempted else None
        return call.first if call else None

    @property
    def same_name(self) -> bool:
        """Both calls are of one task."""
        return bool(self.recorded and self.attempted and self.recorded.name == self.attempted.name)

    @property
    def same_arguments(self) -> bool:
        """Both calls have equal arguments."""
        return bool(self.recorded and self.attempted and self.recorded.digest == self.attempted.digest)

    @property
    def same_place(self) -> bool:
        """Both calls are made inside the same call."""
        return bool(self.recorded and self.attempted and self.recorded.parent == self.attempted.parent)


def instead_of(recorded: EventRecord | None, calls: Iterable[Call], history: History) -> Call | None:
    """Which of the calls that the code awaits stands in the place of a recorded one.

    Branches that are all right may have come to calls that are new to the history too: one of the same task is
    the likelier one, then any new one, then one that is recorded further down.
    """
    waiting = list(calls)
    new = [call for call in waiting if call.id not in history.calls]
    alike = [call for call in new if recorded is not None and call.name == recorded.name]
    return next(iter([*alike, *new, *waiting]), None)


def describe_divergence(parting: Parting) -> NonDeterminismError:
    """The error for a recorded call that the code does not make."""
    recorded = parting.recorded
    return NonDeterminismError(
        recorded=shown_event(recorded) if recorded else "more events",
        recorded_at=recorded.location if recorded else "",
        attempted=_now(parting),
        attempted_at=_now_at(parting),
        cause=likely_cause(parting),
    )


def describe_other_end(end: EventRecord, parting: Parting) -> NonDeterminismError:
    """The error for code that meets every recorded call, and then does not end as it did."""
    kind = end.type.removeprefix("WORKFLOW_")
    if parting.attempted is not None:
        cause = f"a call of {parting.attempted.name} was added at the end"
    elif parting.end is not None:
        cause = "what the body does with the results of its calls was changed"
    else:
        cause = "the code awaits something that does not come"
    return NonDeterminismError(
        recorded=f"the end, {kind} (event {end.seq})",
        attempted=_now(parting),
        attempted_at=_now_at(parting),
        cause=cause,
    )


def likely_cause(parting: Parting) -> str:
    """A guess that helps: the commonest reasons leave typical traces."""
    return next(cause for rule in _RULES if (cause := rule(parting)))


def shown_call(call: Call, redact: Redact = str) -> str:
    """`charge(amount=8)`"""
    return f"{call.name}({_listed(plain_arguments(call), redact)})"


def shown_event(event: EventRecord) -> str:
    """`charge(amount=8) (event 5)`"""
    return f"{event.name}({_listed(recorded_arguments(event))}) (event {event.seq})"


def plain_arguments(call: Call) -> Mapping[str, Any]:
    """The arguments of a call as plain JSON; what cannot be stored is shown as text."""
    return {name: _plain(value) for name, value in call.arguments.items()}


def recorded_arguments(event: EventRecord) -> Mapping[str, Any]:
    """The arguments that the first event of a call recorded, as plain JSON; nothing when they are not readable."""
    if event.type is not _T.TASK_STARTED or event.payload is None or event.payload.encoding != "json":
        return {}
    plain = to_plain(event.payload)
    return plain if isinstance(plain, dict) else {}


# -- rules: the first that has something to say is the cause ---------------------------------------


def _comes_earlier(parting: Parting) -> str:
    later = parting.met_later
    if later is None or parting.recorded is None:
        return ""
    gone = parting.recorded.name
    return f"the call of {gone} was removed, or now comes behind {later.name}, which is event {later.seq}"


def _other_arguments(parting: Parting) -> str:
    if not (parting.same_name and parting.same_place) or parting.same_arguments:
        return ""
    assert parting.recorded is not None
    assert parting.attempted is not None
    before, now = recorded_arguments(parting.recorded), plain_arguments(parting.attempted)
    changed = [name for name in dict.fromkeys((*before, *now)) if before.get(name) != now.get(name)]
    if not before or not changed:
        return f"the call of {parting.attempted.name} has other arguments, or another number of them" + _reads(parting)
    told = "; ".join(_change(name, before.get(name), now.get(name), parting.redact) for name in changed)
    return told + _reads(parting)


def _renamed(parting: Parting) -> str:
    if parting.same_name or not (parting.same_arguments and parting.same_place):
        return ""
    assert parting.recorded is not None
    assert parting.attempted is not None
    before, now = parting.recorded, parting.attempted
    if before.location != now.location and not now.arguments:
        return ""  # two calls without arguments have nothing else in common
    return f"the task {before.name} was renamed to {now.name}, or replaced by it"


def _other_place(parting: Parting) -> str:
    if not (parting.same_name and parting.same_arguments) or parting.same_place:
        return ""
    assert parting.attempted is not None
    inside = parting.history.calls.get(parting.attempted.parent)
    return f"the call was moved {f'into {inside.first.name}' if inside else 'to another place in the code'}"


def _made_again(parting: Parting) -> str:
    if parting.attempted is None:
        return ""
    call = parting.attempted
    equal = [
        one.first
        for one in parting.history.calls.values()
        if (one.first.name, one.first.digest, one.first.parent) == (call.name, call.digest, call.parent)
    ]
    if not equal:
        return ""
    return f"{call.name} is called more often with these arguments than recorded ({len(equal)} times)" + _reads(parting)


def _added(parting: Parting) -> str:
    if parting.attempted is None:
        return ""
    now, before = parting.attempted.name, parting.recorded.name if parting.recorded else "what is recorded"
    return f"a call of {now} was added before {before}, or {before} was replaced by it" + _reads(parting)


def _ended_early(parting: Parting) -> str:
    gone = f"the call of {parting.recorded.name}" if parting.recorded else "a call"
    if parting.end is not None and parting.end.type is _T.WORKFLOW_FAILED:
        return f"the code raises before it comes to {gone}"
    return f"{gone} was removed, or a condition before it depends on what is not recorded" + _reads(parting)


_RULES: tuple[Callable[[Parting], str], ...] = (
    _comes_earlier,
    _made_again,
    _other_arguments,
    _renamed,
    _other_place,
    _added,
    _ended_early,
)


def _reads(parting: Parting) -> str:
    """What the body reads by itself: replay cannot give it the value of the first time."""
    if not parting.reads:
        return ""
    told = ", ".join(f"`{read.text}` ({Path(read.path).name}:{read.line}; {read.remedy})" for read in parting.reads[:3])
    return f"; the code reads {told} anew at each replay"


def _change(name: str, before: Any, now: Any, redact: Redact) -> str:
    text = f"its argument `{name}` was {_shown(before, redact)} and is {_shown(now, redact)}"
    kind = _kind(before) if _kind(before) == _kind(now) else ""
    return f"{text}, which looks like {kind}" if kind else text


def _kind(value: Any) -> str:
    """What a value that differs from run to run probably is."""
    if looks_like_time(value):
        return f"the time ({CLOCK})"
    if looks_like_id(value) or looks_like_share(value):
        return f"chance ({RANDOM})"
    return ""


# -- how things are shown --------------------------------------------------------------------------


def _now(parting: Parting) -> str:
    if parting.attempted is not None:
        return shown_call(parting.attempted, parting.redact)
    if parting.end is None:
        return "nothing more"
    kind = parting.end.type.removeprefix("WORKFLOW_")
    error = parting.end.value
    told = f", {type(error).__name__}: {_cut(parting.redact(_text(error)))}" if isinstance(error, BaseException) else ""
    return f"the end, {kind}{told}"


def _now_at(parting: Parting) -> str:
    if parting.attempted is not None:
        return parting.attempted.location
    error = parting.end.value if parting.end is not None else None
    return next(_own_places(error), "") if isinstance(error, BaseException) else ""


def _own_places(error: BaseException) -> Iterator[str]:
    """`file:line` of the frames of a traceback that are not Flux's own, innermost first."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(_PACKAGE):
            yield f"{frame.filename}:{frame.lineno}"


def _listed(arguments: Mapping[str, Any], redact: Redact = str) -> str:
    return _cut(", ".join(f"{name}={_shown(value, redact)}" for name, value in arguments.items()))


def _shown(value: Any, redact: Redact) -> str:
    return _cut(redact(repr(value)))


def _cut(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return "its message cannot be read"


def _plain(value: Any) -> Any:
    try:
        payload: Payload = Codec("json").encode(value)
    except CodecError:
        return f"<{type(value).__name__}>"
    return to_plain(payload)
