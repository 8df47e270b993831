"""Parents and children: one commit changes both, whatever happens to either."""

from __future__ import annotations

import pytest

from flux.codec import Codec, Payload
from flux.domain import Bundle, Child, ExecutionEventType, ExecutionState, Module, Wait, WaitKind, WorkflowRef
from flux.domain.transitions import fold
from flux.domain.workflow import WorkflowSpec
from flux.errors import ConflictError, WaitAmbiguousError, WaitAnsweredError, WorkflowNotFoundError
from flux.store import Append, ExecutionFilter

E = ExecutionEventType
S = ExecutionState
CHARGE = WorkflowRef("shop", "charge")


@pytest.fixture
async def published(store):
    bundle = Bundle("d1", "charge", {"charge": Module("/charge.py", "x = 1")})
    await store.catalog.publish([WorkflowSpec("shop", "charge")], bundle)


@pytest.fixture
def calling(make):
    """The event with which a call starts its child: `calling(ordinal, "call-1", "child-1")`."""

    def call(ordinal, call, child, *, ref=CHARGE, digest="", detached=False, payload=b"7"):
        wait = Wait(call, call, WaitKind.CHILD, child=Child(child, ref, digest, detached))
        return make.event(E.TASK_WAITING, ordinal, source=call, name=call, payload=payload, wait=wait)

    return call


@pytest.fixture
def parent(store, make, started, calling, published):
    """An execution that nobody holds and that waits for one child, or several."""

    async def start(*calls: str):
        execution = await started()
        events = [calling(2 + n, call, f"{call}-child") for n, call in enumerate(calls or ("call",))]
        await store.executions.append(Append(execution.id, 1, events, release=True))
        return execution.id

    return start


@pytest.fixture
def begin(store, make):
    """Lets worker `bob` take a child and begin it: returns its generation."""

    async def take(child="call-child"):
        claim = await store.executions.claim(child, "bob", [make.event(E.WORKFLOW_CLAIMED)])
        generation = claim.execution.generation
        await store.executions.append(Append(child, generation, [make.event(E.WORKFLOW_STARTED, 1, source=child)]))
        return generation

    return take


@pytest.fixture
def end(store, make):
    """The last append of a child."""

    async def last(child, generation, kind=E.WORKFLOW_COMPLETED, payload=b'"receipt"', ordinal=9):
        event = make.event(kind, ordinal, source=child, payload=payload)
        return await store.executions.append(Append(child, generation, [event], release=True))

    return last


@pytest.fixture
def pause(store, make):
    """Pauses a child that `bob` holds."""

    async def at(child, generation, name="approval", ordinal=2):
        waiting = make.waiting(ordinal, f"at-{name}", name, output=b'"?"')
        events = [waiting, make.event(E.WORKFLOW_PAUSED, ordinal + 1, payload=b'{"name":"approval"}')]
        return await store.executions.append(Append(child, generation, events, release=True))

    return at


async def types(store, execution_id):
    return [str(event.type) for event in await store.executions.history(execution_id)]


async def state_of(store, execution_id):
    """The state, which is a fold over the events."""
    execution = await store.executions.get(execution_id)
    assert execution.state is fold(await store.executions.history(execution_id))
    return execution.state


async def test_a_wait_for_a_child_creates_it(store, make, started, calling, published):
    execution = await started()
    appended = await store.executions.append(Append(execution.id, 1, [calling(2, "call", "c1")]))
    (change,) = appended.others
    child = await store.executions.get("c1")
    assert change.execution == child
    assert change.ready
    assert (child.ref, child.state, child.input) == (CHARGE, S.CREATED, Payload(b"7"))
    assert (child.version, child.digest) == (1, "d1")
    assert (child.parent_id, child.parent_call) == (execution.id, "call")
    assert [one.id for one in await store.executions.ready()] == ["c1"]
    (wait,) = await store.waits.pending(execution.id)
    assert (wait.kind, wait.child) == (WaitKind.CHILD, "c1")
    assert await store.executions.children(execution.id) == [child]
    assert (await store.executions.history(execution.id))[-1].wait == appended.events[0].wait


async def test_delivering_the_start_again_creates_nothing(store, started, calling, published):
    execution = await started()
    start = Append(execution.id, 1, [calling(2, "call", "c1")])
    await store.executions.append(start)
    again = await store.executions.append(start)
    assert again.duplicate
    assert again.changes == ()
    assert (await store.executions.list()).total == 2


async def test_a_child_runs_the_version_that_is_current_when_it_starts(store, started, calling, published):
    bundle = Bundle("d2", "charge", {"charge": Module("/charge.py", "x = 2")})
    await store.catalog.publish([WorkflowSpec("shop", "charge")], bundle)
    execution = await started()
    await store.executions.append(Append(execution.id, 1, [calling(2, "call", "c1")]))
    child = await store.executions.get("c1")
    assert (child.version, child.digest) == (2, "d2")


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_workflow_that_is_not_there_answers_at_once(store, started, calling, published, deleted):
    if deleted:
        await store.catalog.delete(CHARGE)
    ref = CHARGE if deleted else WorkflowRef("shop", "nobody")
    execution = await started()
    appended = await store.executions.append(Append(execution.id, 1, [calling(2, "call", "c1", ref=ref)]))
    (change,) = appended.others
    (event,) = change.events
    assert (event.type, event.wait_id, event.source_id) == (E.TASK_CHILD_FAILED, "call", "call")
    error = Codec().decode(event.payload)
    assert isinstance(error, WorkflowNotFoundError)
    assert ("deleted" in str(error)) is deleted
    assert (await store.executions.list()).total == 1


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (E.WORKFLOW_COMPLETED, E.TASK_CHILD_COMPLETED),
        (E.WORKFLOW_FAILED, E.TASK_CHILD_FAILED),
        (E.WORKFLOW_CANCELLED, E.TASK_CHILD_CANCELLED),
    ],
)
async def test_the_end_of_a_child_is_told_and_wakes_its_parent(store, parent, begin, end, kind, told):
    parent_id = await parent()
    generation = await begin()
    appended = await end("call-child", generation, kind)
    (change,) = appended.others
    assert (change.execution.id, change.ready) == (parent_id, True)
    (event,) = change.events
    assert (event.type, event.source_id, event.wait_id) == (told, "call", "call")
    assert event.payload == Payload(b'"receipt"')
    assert await state_of(store, parent_id) is S.RUNNING
    assert [one.id for one in await store.executions.ready()] == [parent_id]
    (wait,) = await store.waits.pending(parent_id)
    assert wait.answered


async def test_an_end_that_comes_while_the_parent_runs_makes_it_ready_when_it_lets_go(
    store, make, started, calling, published, begin, end
):
    execution = await started()
    await store.executions.append(Append(execution.id, 1, [calling(2, "call", "c1")]))
    (change,) = (await end("c1", await begin("c1"))).others
    assert not change.ready
    assert change.execution.owner == "ada"
    assert (await store.executions.append(Append(execution.id, 1, [], release=True))).ready


async def test_a_call_that_is_over_cancels_its_child(store, make, started, calling, published):
    execution = await started()
    await store.executions.append(Append(execution.id, 1, [calling(2, "call", "c1"), calling(3, "other", "c2")]))
    await store.executions.claim("c2", "bob")
    ends = [make.event(E.TASK_CANCELLED, 4, source="call"), make.event(E.TASK_FAILED, 5, source="other")]
    appended = await store.executions.append(Append(execution.id, 1, ends))
    assert await types(store, "c1") == ["WORKFLOW_CANCELLING", "WORKFLOW_CANCELLED"]
    assert await types(store, "c2") == ["WORKFLOW_CANCELLING"]
    assert [change.execution.id for change in appended.others] == ["c1", "c2"]
    assert await store.waits.pending(execution.id) == []
    # What becomes of them concerns nobody any more.
    assert "TASK_CHILD_CANCELLED" not in await types(store, execution.id)


async def test_the_end_of_a_parent_cancels_what_it_waits_for(store, make, started, calling, published):
    execution = await started()
    await store.executions.append(Append(execution.id, 1, [calling(2, "call", "c1")]))
    failed = make.event(E.WORKFLOW_FAILED, 3)
    await store.executions.append(Append(execution.id, 1, [failed], release=True))
    assert await state_of(store, "c1") is S.CANCELLED


async def test_a_start_that_is_given_up_in_the_same_batch_starts_nothing(store, make, started, calling, published):
    execution = await started()
    events = [calling(2, "call", "c1"), make.event(E.TASK_CANCELLED, 3, source="call")]
    assert (await store.executions.append(Append(execution.id, 1, events))).others == ()
    assert (await store.executions.list()).total == 1


async def test_nobody_waits_for_a_detached_child(store, make, started, calling, published):
    execution = await started()
    appended = await store.executions.append(Append(execution.id, 1, [calling(2, "call", "c1", detached=True)]))
    created, told = appended.others
    assert created.execution.id == "c1"
    (event,) = told.events
    assert (event.type, Codec().decode(event.payload)) == (E.TASK_CHILD_STARTED, "c1")
    events = [make.event(E.TASK_COMPLETED, 3, source="call"), make.event(E.WORKFLOW_FAILED, 4)]
    await store.executions.append(Append(execution.id, 1, events, release=True))
    assert await state_of(store, "c1") is S.CREATED
    assert [one.id for one in await store.executions.children(execution.id)] == ["c1"]


async def test_a_local_parent_keeps_its_children_from_workers(store, make, calling):
    new = make.execution()
    await store.executions.create_owned(new, "local:h:1", [make.event(E.WORKFLOW_STARTED)])
    events = [calling(1, "call", "c1", digest="local:x")]
    await store.executions.append(Append(new.id, 1, events))
    child = await store.executions.get("c1")
    assert (child.owner, child.digest, child.version) == ("local:h:1", "local:x", 0)
    assert await store.executions.ready() == []
    assert [one.id for one in await store.executions.live_children(new.id)] == ["c1"]


# -- paused below


async def test_a_paused_child_shows_as_the_parent_being_paused(store, make, parent, begin, end, pause):
    parent_id = await parent()
    generation = await begin()
    (change,) = (await pause("call-child", generation)).others
    assert [event.type for event in change.events] == [E.WORKFLOW_PAUSED]
    assert not change.ready
    assert await state_of(store, parent_id) is S.PAUSED
    assert (await store.executions.get(parent_id)).output == Payload(b'"?"')
    assert change.events[0].payload == (await store.executions.history("call-child"))[-1].payload
    assert change.events[0].payload is not None
    assert [wait.name for wait in await store.waits.pending(parent_id)] == ["call", "approval"]

    appended, wait = await store.executions.answer(parent_id, make.answer(), None)
    assert (appended.execution.id, wait.execution_id, wait.name) == ("call-child", "call-child", "approval")
    assert appended.ready
    assert appended.latest(parent_id).state is S.RUNNING
    assert await state_of(store, parent_id) is S.RUNNING
    (answer,) = [event for event in await store.executions.history("call-child") if event.wait_id]
    assert (answer.wait_id, answer.type) == ("at-approval", E.WORKFLOW_RESUMING)

    generation = (await store.executions.claim("call-child", "bob")).execution.generation
    (change,) = (await end("call-child", generation, ordinal=1)).others
    assert change.ready
    assert await types(store, parent_id) == [
        *("WORKFLOW_SCHEDULED", "WORKFLOW_CLAIMED", "WORKFLOW_STARTED", "TASK_WAITING"),
        *("WORKFLOW_PAUSED", "WORKFLOW_RESUMED", "TASK_CHILD_COMPLETED"),
    ]


async def test_a_parent_that_runs_is_paused_when_it_lets_go(store, make, started, calling, published, begin, pause):
    execution = await started()
    await store.executions.append(Append(execution.id, 1, [calling(2, "call", "c1")]))
    assert (await pause("c1", await begin("c1"))).others == ()
    assert await state_of(store, execution.id) is S.RUNNING
    last = Append(execution.id, 1, [make.event(E.TASK_STARTED, 3, source="t")], release=True)
    appended = await store.executions.append(last)
    assert [event.type for event in appended.events] == [E.TASK_STARTED, E.WORKFLOW_PAUSED]
    assert await state_of(store, execution.id) is S.PAUSED


async def test_a_parent_in_back_off_is_not_paused(store, make, started, calling, published, begin, pause):
    execution = await started()
    events = [calling(2, "call", "c1"), make.waiting(3, "t", kind=WaitKind.BACKOFF, wake_in=60)]
    await store.executions.append(Append(execution.id, 1, events, release=True))
    await pause("c1", await begin("c1"))
    assert await state_of(store, execution.id) is S.RUNNING


async def test_what_the_parent_asks_itself_keeps_it_paused(store, make, started, calling, published, begin, pause):
    execution = await started()
    events = [calling(2, "call", "c1"), make.waiting(3, "own"), make.event(E.WORKFLOW_PAUSED, 4)]
    await store.executions.append(Append(execution.id, 1, events, release=True))
    await pause("c1", await begin("c1"))
    with pytest.raises(WaitAmbiguousError) as caught:
        await store.executions.answer(execution.id, make.answer(), None)
    assert [(wait["name"], wait["execution_id"]) for wait in caught.value.waits] == [
        ("own", execution.id),
        ("approval", "c1"),
    ]
    await store.executions.answer(execution.id, make.answer(), "approval")
    assert await state_of(store, execution.id) is S.PAUSED


@pytest.mark.parametrize("wait", ["a", "a-child", "approval-a"])
async def test_two_paused_children_are_told_apart(store, make, parent, begin, pause, wait):
    parent_id = await parent("a", "b")
    await pause("a-child", await begin("a-child"), "approval-a")
    await pause("b-child", await begin("b-child"), "approval-b")
    assert (await types(store, parent_id)).count("WORKFLOW_PAUSED") == 1
    with pytest.raises(WaitAmbiguousError):
        await store.executions.answer(parent_id, make.answer(), None)
    _, answered = await store.executions.answer(parent_id, make.answer(), wait)
    assert answered.execution_id == "a-child"
    assert await state_of(store, parent_id) is S.PAUSED
    await store.executions.answer(parent_id, make.answer(), None)
    assert await state_of(store, parent_id) is S.RUNNING
    with pytest.raises(WaitAnsweredError):
        await store.executions.answer(parent_id, make.answer(), None)


async def test_children_of_children(store, make, parent, begin, end, pause, calling):
    top = await parent()
    middle = "call-child"
    generation = await begin(middle)
    await store.executions.append(Append(middle, generation, [calling(2, "inner", "deep")], release=True))
    deep = await begin("deep")
    appended = await pause("deep", deep)
    assert [change.execution.id for change in appended.others] == [middle, top]
    assert await state_of(store, top) is S.PAUSED
    assert [wait.execution_id for wait in await store.waits.pending(top)] == [top, middle, "deep"]
    appended, wait = await store.executions.answer(top, make.answer(), None)
    assert wait.execution_id == "deep"
    assert [change.execution.state for change in appended.others] == [S.RUNNING, S.RUNNING]
    assert [one.id for one in await store.executions.live_children(top)] == [middle, "deep"]

    await store.executions.cancel(top, [make.event(E.WORKFLOW_CANCELLING, source=top)])
    assert [await state_of(store, one) for one in (top, middle, "deep")] == [S.CANCELLING] * 3


# -- cancelled from above


async def test_a_parent_is_woken_when_all_its_children_have_been_cancelled(store, make, parent, begin, end):
    parent_id = await parent("a", "b", "c")
    generation = await begin("a-child")
    await begin("b-child")
    appended = await store.executions.cancel(parent_id, [make.event(E.WORKFLOW_CANCELLING, source=parent_id)])
    assert not appended.ready
    assert [await state_of(store, one) for one in ("a-child", "b-child", "c-child")] == [
        *(S.CANCELLING, S.CANCELLING, S.CANCELLED),
    ]
    assert appended.latest("a-child").owner == "bob"
    again = await store.executions.cancel(parent_id, [make.event(E.WORKFLOW_CANCELLING, source=parent_id)])
    assert again.duplicate
    (change,) = (await end("a-child", generation, E.WORKFLOW_CANCELLED)).others
    assert not change.ready
    generation = (await store.executions.get("b-child")).generation
    (change,) = (await end("b-child", generation, E.WORKFLOW_COMPLETED)).others
    assert change.ready
    assert await types(store, "a-child") == [
        *("WORKFLOW_CLAIMED", "WORKFLOW_STARTED", "WORKFLOW_CANCELLING", "WORKFLOW_CANCELLED"),
    ]


async def test_a_parent_without_begun_children_is_woken_at_once(store, make, parent):
    parent_id = await parent("a", "b")
    appended = await store.executions.cancel(parent_id, [make.event(E.WORKFLOW_CANCELLING, source=parent_id)])
    assert [one.id for one in await store.executions.ready()] == [parent_id]
    assert appended.latest(parent_id).state is S.CANCELLING
    assert await state_of(store, "a-child") is S.CANCELLED


async def test_a_lost_parent_waits_for_its_children_too(store, make, started, calling, published, begin, end):
    execution = await started()
    await store.executions.append(Append(execution.id, 1, [calling(2, "call", "c1")]))
    generation = await begin("c1")
    await store.executions.cancel(execution.id, [make.event(E.WORKFLOW_CANCELLING, source=execution.id)])
    await store.executions.requeue([(execution.id, 1)])
    assert await store.executions.ready() == []
    (change,) = (await end("c1", generation, E.WORKFLOW_CANCELLED)).others
    assert change.ready


# -- afterwards


async def test_a_failure_that_a_parent_knows_of_is_not_reopened(store, make, parent, begin, end):
    await parent()
    generation = await begin()
    await end("call-child", generation, E.WORKFLOW_FAILED)
    generation = (await store.executions.get("call-child")).generation
    reopened = Append("call-child", generation, [make.event(E.WORKFLOW_REOPENED)])
    with pytest.raises(ConflictError, match="parent"):
        await store.executions.append(reopened)
    assert await state_of(store, "call-child") is S.FAILED


async def test_a_failure_that_no_parent_waited_for_is_reopened(store, make, started, calling, published, begin, end):
    execution = await started()
    await store.executions.append(Append(execution.id, 1, [calling(2, "call", "c1")]))
    generation = await begin("c1")
    await store.executions.append(Append(execution.id, 1, [make.event(E.WORKFLOW_FAILED, 3)], release=True))
    await end("c1", generation, E.WORKFLOW_FAILED)
    await store.executions.append(Append("c1", generation, [make.event(E.WORKFLOW_REOPENED)]))
    assert await state_of(store, "c1") is S.CREATED


async def test_lists_of_children(store, parent, begin, end):
    parent_id = await parent("a", "b")
    await end("a-child", await begin("a-child"))

    async def found(**filter):
        page = await store.executions.list(ExecutionFilter(parent=parent_id, **filter))
        assert page.total == len(page.items)
        return [one.id for one in page.items]

    assert await found() == ["b-child", "a-child"]
    assert await found(states=[S.COMPLETED]) == ["a-child"]
    assert await found(workflow="shop/charge") == ["b-child", "a-child"]
    assert await found(workflow="order") == []
    assert await found(namespace="elsewhere") == []
    page = await store.executions.list(ExecutionFilter(parent=parent_id), limit=1)
    assert page.next_cursor is not None


async def test_a_family_deeper_than_calls_can_be_nested(store, make, started, calling, published, begin, pause, end):
    depth = 400
    execution = await started()
    await store.executions.append(Append(execution.id, 1, [calling(2, "call", "c0")], release=True))
    for number in range(depth):
        generation = await begin(f"c{number}")
        await store.executions.append(
            Append(f"c{number}", generation, [calling(2, "call", f"c{number + 1}")], release=True)
        )
    await pause(f"c{depth}", await begin(f"c{depth}"))
    assert await state_of(store, execution.id) is S.PAUSED
    _, wait = await store.executions.answer(execution.id, make.answer(), "call")
    assert wait.execution_id == f"c{depth}"
    assert await state_of(store, execution.id) is S.RUNNING
    appended = await store.executions.cancel(execution.id, [make.event(E.WORKFLOW_CANCELLING, source=execution.id)])
    assert len({change.execution.id for change in appended.others}) >= depth
    assert await state_of(store, f"c{depth}") is S.CANCELLING
