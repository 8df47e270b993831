"""The language of `/`: words that must all appear, and `state:failed,paused`."""

from __future__ import annotations

from dataclasses import dataclass

from flux.domain.events import ExecutionState
from flux.tui.model.format import STATES, ref_of
from flux.wire.models import ExecutionSummary, LogModel, PendingWaitModel, WorkflowSummary


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed filter; the empty one lets everything through.

    Attributes:
        words: lower case; all must appear.
        states: words or names of states, lower case; one must match (prefixes count).
    """

    text: str = ""
    words: tuple[str, ...] = ()
    states: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.words or self.states)

    def has_state(self, state: ExecutionState) -> bool:
        """Whether the state is asked for."""
        if not self.states:
            return True
        names = (STATES[state][1], state.value.lower())
        return any(name.startswith(wanted) for wanted in self.states for name in names)

    def has_words(self, *fields: str) -> bool:
        """Whether all words appear in the fields."""
        if not self.words:
            return True
        hay = "\n".join(fields).lower()
        return all(word in hay for word in self.words)


def parse(text: str) -> Query:
    """Read a filter.

    Example:
        >>> parse("state:failed,paused shop")
        Query(text='state:failed,paused shop', words=('shop',), states=('failed', 'paused'))
    """
    words: list[str] = []
    states: list[str] = []
    for part in text.lower().split():
        if part.startswith("state:"):
            states += [state for state in part.removeprefix("state:").split(",") if state]
        else:
            words.append(part)
    return Query(text.strip(), tuple(words), tuple(states))


def match_execution(query: Query, execution: ExecutionSummary) -> bool:
    """Whether an execution passes."""
    ref = ref_of(execution.namespace, execution.workflow)
    return query.has_state(execution.state) and query.has_words(
        execution.execution_id, ref, execution.current_task, execution.worker
    )


def match_wait(query: Query, wait: PendingWaitModel) -> bool:
    """Whether an open wait passes."""
    return query.has_words(wait.execution_id, ref_of(wait.namespace, wait.workflow), wait.name, str(wait.kind))


def match_workflow(query: Query, workflow: WorkflowSummary) -> bool:
    """Whether a workflow passes."""
    return query.has_words(ref_of(workflow.namespace, workflow.name), workflow.description, workflow.path)


def match_log(query: Query, log: LogModel) -> bool:
    """Whether a log line passes."""
    return query.has_words(log.text, log.source, log.level, log.execution_id, log.task)
