from __future__ import annotations

from dataclasses import replace

import pytest

from flux.codec import NULL, Payload
from flux.domain import EventRecord, ExecutionState, PendingWait, Wait, WaitKind, WorkflowRef
from flux.domain import ExecutionEventType as E
from flux.domain.transitions import next_state
from flux.errors import NotPausedError, WaitAmbiguousError, WaitAnsweredError, WaitNotFoundError
from flux.store import rules
from flux.store.rows import Standing


def standing(**changes) -> Standing:
    values = {
        "serial": 1, "id": "e1", "namespace": "shop", "workflow": "order", "state": ExecutionState.RUNNING,
        "input": NULL, "output": None, "version": 1, "digest": "", "generation": 1, "owner": "ada", "created_at": 1,
        "updated_at": 1, "started_at": None, "finished_at": None, "last_seq": 0, "open_tasks": "", "parent_id": "",
        "parent_call": "",
        "dispatch": "held", "not_before": 0, "deaths": 0, "last_ordinal": 0, "open_waits": 0, "attention": False,
        "revision": 0,
    }  # fmt: skip
    return Standing(**(values | changes))


def event(type: E, payload: bytes | None = None, wait: Wait | None = None, name: str = "task") -> EventRecord:
    return EventRecord(type, "s", name, 7, "id", None if payload is None else Payload(payload), wait=wait)


def pending(id: str, name: str = "", kind: WaitKind = WaitKind.INPUT, answered: bool = False) -> PendingWait:
    return PendingWait("e1", WorkflowRef("shop", "order"), id, name or id, kind, 1, answered=answered)


@pytest.mark.parametrize("state", list(ExecutionState))
@pytest.mark.parametrize("type", list(E))
def test_the_state_follows_the_transitions(state, type):
    one = standing(state=state)
    rules.absorb(one, event(type))
    assert one.state is next_state(state, type)


@pytest.mark.parametrize("state", [ExecutionState.COMPLETED, ExecutionState.CANCELLED])
@pytest.mark.parametrize("type", list(E))
def test_an_end_keeps_what_it_shows(state, type):
    one = standing(state=state, output=Payload(b"1"), finished_at=3)
    rules.absorb(one, event(type, b"2", Wait("w", "w", WaitKind.INPUT, output=Payload(b"3"))))
    assert (one.output, one.finished_at, one.state) == (Payload(b"1"), 3, state)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (event(E.WORKFLOW_PAUSED, b'"p"'), b'"p"'),
        (event(E.WORKFLOW_PAUSED, b"null"), b'"old"'),
        (event(E.WORKFLOW_PAUSED), b'"old"'),
        (event(E.TASK_PAUSED, wait=Wait("w", "w", WaitKind.INPUT, output=Payload(b'"w"'))), b'"w"'),
        (event(E.TASK_WAITING, wait=Wait("w", "w", WaitKind.TIMER, output=Payload(b'"w"'))), b'"old"'),
        (event(E.WORKFLOW_RESUMED), None),
        (event(E.WORKFLOW_RESUMING, b'"answer"'), b'"old"'),
        (event(E.TASK_COMPLETED, b'"t"'), b'"old"'),
        (event(E.WORKFLOW_FAILED, b'"no"'), b'"no"'),
    ],
)
def test_what_an_execution_shows(given, shown):
    one = standing(output=Payload(b'"old"'))
    rules.absorb(one, given)
    assert one.output == (None if shown is None else Payload(shown))


def test_open_tasks_are_a_bounded_list():
    tasks = ""
    for n in range(20):
        tasks = rules.opened(tasks, f"t{n}")
    assert tasks.split("\n") == [f"t{n}" for n in range(4, 20)]
    assert rules.closed(tasks, "unknown") == tasks
    assert rules.closed("a\nb\na", "a") == "a\nb"
    assert rules.closed("a", "a") == ""


@pytest.mark.parametrize(
    ("changes", "facts", "ready"),
    [
        ({"attention": True}, {"answered": True}, True),
        ({"attention": True}, {"answered": False}, False),
        ({"attention": False}, {"answered": True}, False),
        ({"attention": True, "state": ExecutionState.CANCELLING}, {}, True),
        ({"attention": False, "state": ExecutionState.CANCELLING}, {}, False),
        ({"attention": True, "state": ExecutionState.CANCELLING}, {"answered": True, "children": True}, False),
        ({"attention": True}, {"answered": True, "children": True}, True),
        ({}, {"due": True}, True),
        ({}, {"due": True, "parked": True}, False),
        ({}, {}, False),
    ],
)
def test_what_makes_a_released_execution_ready(changes, facts, ready):
    given = {"answered": False, "due": False, "parked": False, "children": False} | facts
    assert rules.wants_attention(standing(**changes), **given) is ready


@pytest.mark.parametrize(
    ("owner", "state", "ready", "dispatch", "kept"),
    [
        ("ada", ExecutionState.PAUSED, False, "idle", ""),
        ("ada", ExecutionState.RESUMING, True, "ready", ""),
        ("ada", ExecutionState.COMPLETED, True, "done", ""),
        ("local:h:1", ExecutionState.PAUSED, False, "idle", "local:h:1"),
        ("local:h:1", ExecutionState.FAILED, False, "done", ""),
    ],
)
def test_letting_go(owner, state, ready, dispatch, kept):
    one = standing(owner=owner, state=state)
    rules.let_go(one, ready=ready, now=9)
    assert (one.dispatch, one.owner) == (dispatch, kept)
    assert one.not_before == (9 if dispatch == "ready" else 0)


CALL = replace(pending("c", "call", WaitKind.CHILD), child="c1")
BELOW = replace(pending("a", "legal"), execution_id="c1")
A, B, TIMER = pending("a", "legal"), pending("b", "finance"), pending("t", "sleep", WaitKind.TIMER)


@pytest.mark.parametrize(
    ("waits", "wait", "expected"),
    [
        ([A, TIMER], None, A),
        ([A, B], "b", B),
        ([A, B], "legal", A),
        ([replace(A, answered=True), B], None, B),
        ([A, B], None, WaitAmbiguousError),
        ([replace(A, answered=True)], None, WaitAnsweredError),
        ([replace(A, answered=True), B], "legal", WaitAnsweredError),
        ([TIMER], None, NotPausedError),
        ([TIMER], "sleep", NotPausedError),
        ([], None, NotPausedError),
        ([A], "b", WaitNotFoundError),
        ([CALL, BELOW], None, BELOW),
        ([CALL, BELOW], "call", BELOW),
        ([CALL, BELOW], "c1", BELOW),
        ([CALL, BELOW], "legal", BELOW),
        ([CALL, BELOW, A], "legal", A),
        ([CALL, BELOW, A], None, WaitAmbiguousError),
        ([CALL, replace(TIMER, execution_id="c1")], "call", NotPausedError),
        ([CALL], "call", NotPausedError),
        ([CALL, replace(CALL, execution_id="c1", child="c2"), replace(BELOW, execution_id="c2")], "c1", "below"),
    ],
)
def test_which_wait_an_answer_means(waits, wait, expected):
    if isinstance(expected, PendingWait):
        assert rules.choose_wait(waits, wait, "e1") is expected
    elif expected == "below":
        assert rules.choose_wait(waits, wait, "e1").execution_id == "c2"
    else:
        with pytest.raises(expected):
            rules.choose_wait(waits, wait, "e1")


def test_an_id_goes_before_a_name():
    tricky = [pending("x", "y"), pending("y", "z")]
    assert rules.choose_wait(tricky, "y", "e1") is tricky[1]
    assert rules.find_wait(tricky, "y", "e1") is tricky[1]


def test_waits_that_differ_only_in_who_asks_can_be_told_apart():
    beside = replace(BELOW, execution_id="c2")
    with pytest.raises(WaitAmbiguousError, match=r"legal \(a\) of c1, legal \(a\) of c2"):
        rules.choose_wait([CALL, BELOW, beside], None, "e1")
    assert "legal (a) of c2" in rules.missing_wait([CALL, BELOW, beside], "x", "e1").hint
