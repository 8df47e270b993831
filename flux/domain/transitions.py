"""The state of an execution is a fold over its events; these are the rules of the fold."""

from __future__ import annotations

from collections.abc import Iterable

from flux.domain.events import EventRecord, ExecutionEventType, ExecutionState

_S = ExecutionState
_E = ExecutionEventType

_PAUSABLE = (
    _S.CREATED,
    _S.SCHEDULED,
    _S.CLAIMED,
    _S.RUNNING,
    _S.RESUMING,
    _S.RESUME_SCHEDULED,
    _S.RESUME_CLAIMED,
)
"""Replay can find a divergence, which pauses, before the state has reached RUNNING again."""

_TABLE: dict[tuple[ExecutionState, ExecutionEventType], ExecutionState] = {
    (_S.CREATED, _E.WORKFLOW_SCHEDULED): _S.SCHEDULED,
    (_S.SCHEDULED, _E.WORKFLOW_SCHEDULED): _S.SCHEDULED,
    (_S.CLAIMED, _E.WORKFLOW_SCHEDULED): _S.SCHEDULED,
    (_S.SCHEDULED, _E.WORKFLOW_CLAIMED): _S.CLAIMED,
    (_S.CREATED, _E.WORKFLOW_CLAIMED): _S.CLAIMED,
    (_S.CREATED, _E.WORKFLOW_STARTED): _S.RUNNING,
    (_S.CLAIMED, _E.WORKFLOW_STARTED): _S.RUNNING,
    **{(state, _E.WORKFLOW_PAUSED): _S.PAUSED for state in _PAUSABLE},
    (_S.PAUSED, _E.WORKFLOW_RESUMING): _S.RESUMING,
    (_S.PAUSED, _E.WORKFLOW_RESUME_SCHEDULED): _S.RESUME_SCHEDULED,
    (_S.RESUMING, _E.WORKFLOW_RESUME_SCHEDULED): _S.RESUME_SCHEDULED,
    (_S.RESUME_CLAIMED, _E.WORKFLOW_RESUME_SCHEDULED): _S.RESUME_SCHEDULED,
    (_S.RESUME_SCHEDULED, _E.WORKFLOW_RESUME_SCHEDULED): _S.RESUME_SCHEDULED,
    (_S.RESUME_SCHEDULED, _E.WORKFLOW_RESUME_CLAIMED): _S.RESUME_CLAIMED,
    (_S.PAUSED, _E.WORKFLOW_RESUMED): _S.RUNNING,
    (_S.RESUMING, _E.WORKFLOW_RESUMED): _S.RUNNING,
    (_S.RESUME_CLAIMED, _E.WORKFLOW_RESUMED): _S.RUNNING,
    (_S.FAILED, _E.WORKFLOW_REOPENED): _S.CREATED,
}

_FROM_ANY_LIVE = {
    _E.WORKFLOW_COMPLETED: _S.COMPLETED,
    _E.WORKFLOW_FAILED: _S.FAILED,
    _E.WORKFLOW_CANCELLED: _S.CANCELLED,
    _E.WORKFLOW_CANCELLING: _S.CANCELLING,
}


def next_state(state: ExecutionState, event: ExecutionEventType) -> ExecutionState:
    """The state after `event`; events that do not concern the state leave it as it is.

    A terminal state answers itself to every event but `WORKFLOW_REOPENED` (and that only from FAILED).

    Example:
        >>> next_state(ExecutionState.RUNNING, ExecutionEventType.WORKFLOW_PAUSED)
        <ExecutionState.PAUSED: 'PAUSED'>
        >>> next_state(ExecutionState.COMPLETED, ExecutionEventType.WORKFLOW_CANCELLED)
        <ExecutionState.COMPLETED: 'COMPLETED'>
    """
    if (found := _TABLE.get((state, event))) is not None:
        return found
    if not state.is_terminal and (found := _FROM_ANY_LIVE.get(event)) is not None:
        return found
    return state


def fold(events: Iterable[EventRecord]) -> ExecutionState:
    """The state an event log stands for."""
    state = ExecutionState.CREATED
    for event in events:
        state = next_state(state, event.type)
    return state
