"""Outputs that a storage keeps: references in the log, values in the code, live and in replay."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from flux import task, workflow
from flux.codec import to_plain
from flux.domain import Inquiry
from flux.engine.ports import EmptyDesk, Surroundings
from flux.errors import ExecutionError, OutputNotFoundError, UsageError
from flux.output_storage import InlineOutputStorage, LocalFileStorage, OutputStorage, OutputStorageReference
from flux.tasks import uuid4


class Shelf(OutputStorage):
    """Users' own: in memory, and it tells what was asked of it."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.retrieved: list[str] = []

    def store(self, reference_id, value):
        self.values[reference_id] = value
        return OutputStorageReference("shelf", reference_id)

    def retrieve(self, reference):
        self.retrieved.append(reference.reference_id)
        return self.values[reference.reference_id]

    def delete(self, reference):
        self.values.pop(reference.reference_id, None)


class AsyncShelf(Shelf):
    async def store(self, reference_id, value):
        await asyncio.sleep(0)
        return super().store(reference_id, value)

    async def retrieve(self, reference):
        for _ in range(5):
            await asyncio.sleep(0)
        return super().retrieve(reference)


def squaring(storage, ran):
    @task.with_options(output_storage=storage)
    async def square(x):
        ran.append(x)
        return {"square": x * x}

    @workflow
    async def w(ctx):
        return [await square(2), await square(3)]

    return w


@pytest.fixture(params=["inline", "files", "shelf", "async shelf"])
def storage(request, tmp_path):
    made = {
        "inline": InlineOutputStorage,
        "files": lambda: LocalFileStorage(tmp_path / "outputs"),
        "shelf": Shelf,
        "async shelf": AsyncShelf,
    }
    return made[request.param]()


async def test_the_code_gets_values_and_the_log_references(lab, storage):
    ran = []
    w = squaring(storage, ran)
    assert (await lab.run(w)).context.output == [{"square": 4}, {"square": 9}]
    completed = [event for event in lab.log if event.type == "TASK_COMPLETED"]
    references = [lab.codec.decode(event.payload) for event in completed]
    assert all(isinstance(reference, OutputStorageReference) for reference in references)
    assert len({reference.reference_id for reference in references}) == 2

    del lab.log[-1]
    assert (await lab.run(w)).context.output == [{"square": 4}, {"square": 9}]
    assert ran == [2, 3]


async def test_the_servers_side_reads_references_without_opening_anything(lab, tmp_path):
    await lab.run(squaring(LocalFileStorage(tmp_path), []))
    shown = to_plain(next(event.payload for event in lab.log if event.type == "TASK_COMPLETED"))
    assert set(shown) == {"storage_type", "reference_id", "metadata"}
    assert shown["storage_type"] == "local_file"


async def test_outcomes_take_effect_in_their_order_however_long_a_value_takes_to_retrieve(lab):
    overtaken = threading.Event()

    class Patient(Shelf):
        def retrieve(self, reference):
            overtaken.wait(0.1)
            return super().retrieve(reference)

    @task.with_options(output_storage=Patient())
    async def first(x):
        return x

    @task
    async def second(x):
        for _ in range(40):
            await asyncio.sleep(0)
        return x

    @workflow
    async def w(ctx):
        async def branch(call, x):
            await call(x)
            if call is second:
                overtaken.set()
            return [x, await uuid4()]

        return await asyncio.gather(branch(first, "first"), branch(second, "second"))

    before = (await lab.run(w)).context.output
    overtaken.clear()
    del lab.log[-1]
    assert (await lab.run(w)).context.output == before


async def test_a_value_that_is_gone_ends_the_activation_and_names_its_place(lab, tmp_path):
    storage = LocalFileStorage(tmp_path / "outputs")
    seen = []

    @task.with_options(output_storage=storage)
    async def make():
        return 1

    @workflow
    async def w(ctx):
        try:
            await make()
        finally:
            seen.append("the code went on")

    await lab.run(w)
    seen.clear()
    del lab.log[-1]
    (file,) = (tmp_path / "outputs").iterdir()
    file.unlink()
    with pytest.raises(OutputNotFoundError, match=str(file)):
        await lab.run(w)
    assert lab.types[-1] == "TASK_COMPLETED"


async def test_what_cannot_be_stored_fails_the_task(lab):
    class Full(Shelf):
        def store(self, reference_id, value):
            raise OSError(28, "No space left on device")

    class Wrong(Shelf):
        def store(self, reference_id, value):
            return reference_id

    for storage, kind in ((Full(), OSError), (Wrong(), UsageError)):
        lab.log.clear()
        error = (await lab.run(squaring(storage, []))).context.output
        assert isinstance(error, kind) or isinstance(error.inner_exception, kind)
        assert lab.types[-2:] == ["TASK_FAILED", "WORKFLOW_FAILED"]


async def test_a_storage_that_came_later_leaves_recorded_values_as_they_are(lab):
    w = squaring(None, [])
    await lab.run(w)
    del lab.log[-1]
    assert (await lab.run(squaring(Shelf(), []))).context.output == [{"square": 4}, {"square": 9}]


async def test_failures_are_recorded_as_themselves(lab):
    @task.with_options(output_storage=Shelf())
    async def bad():
        raise ValueError("no")

    @workflow
    async def w(ctx):
        await bad()

    error = (await lab.run(w)).context.output
    assert isinstance(error, ExecutionError) and isinstance(error.inner_exception, ValueError)


async def test_a_later_owner_never_shares_a_place_with_an_earlier_one(lab):
    shelf, ran = Shelf(), []
    w = squaring(shelf, ran)
    lab.crash_after = 1
    await lab.run(w)
    lab.crash_after, lab.stale = None, False
    await lab.run(w)
    assert ran == [2, 2, 3]
    assert len(shelf.values) == 3


async def test_a_workflows_output_is_a_reference(lab, storage):
    @task
    async def double(x):
        return 2 * x

    @workflow.with_options(output_storage=storage)
    async def w(ctx):
        return {"doubled": await double(ctx.input)}

    reference = (await lab.run(w, 4)).context.output
    assert isinstance(reference, OutputStorageReference)
    value = storage.retrieve(reference)
    assert (await value if asyncio.iscoroutine(value) else value) == {"doubled": 8}
    assert lab.codec.decode(lab.log[-1].payload) == reference


async def test_a_cached_result_is_kept_anew(lab, new_lab):
    class Desk(EmptyDesk):
        def __init__(self):
            self.kept = {}

        async def ask(self, inquiry: Inquiry):
            if inquiry.value is not None:
                self.kept[inquiry.names[0]] = inquiry.value
            return {name: self.kept[name] for name in inquiry.names if name in self.kept}

    shelf, desk, ran = Shelf(), Desk(), []

    @task.with_options(output_storage=shelf, cache=True)
    async def square(x):
        ran.append(x)
        return x * x

    @workflow
    async def w(ctx):
        return await square(3)

    other = new_lab()
    for one in (lab, other):
        one.desk = desk
    other.generation = 5
    assert (await lab.run(w)).context.output == (await other.run(w)).context.output == 9
    assert ran == [3] and len(shelf.values) == 2
    assert "TASK_CACHE_HIT" in other.types


async def test_a_dry_replay_stores_nothing(lab):
    shelf = Shelf()

    @workflow.with_options(output_storage=shelf)
    async def w(ctx):
        return 1

    await lab.run(w)
    kept = dict(shelf.values)
    verdict = await lab.dry(w)
    assert verdict.outcome == "ends"
    assert shelf.values == kept


async def test_files_go_to_the_home_of_the_surroundings(lab, tmp_path):
    lab.surroundings = Surroundings(home=str(tmp_path / "home"))
    await lab.run(squaring(LocalFileStorage(), []))
    assert len(list((tmp_path / "home" / "outputs").iterdir())) == 2


def test_a_workflows_storage_is_checked():
    with pytest.raises(UsageError, match="workflow"):
        workflow.with_options(output_storage="/tmp")(lambda ctx: None)


async def test_a_crash_anywhere_repeats_no_finished_task_and_changes_no_value(lab, new_lab):
    shelf, ran = Shelf(), []

    @task.with_options(output_storage=shelf, retry_max_attempts=1, retry_delay=0)
    async def once_more(x):
        ran.append(x)
        if ran.count(x) == 1:
            raise OSError("again")
        return {x}

    @task.with_options(output_storage=shelf)
    async def both():
        return await asyncio.gather(once_more(1), once_more(2))

    @workflow.with_options(output_storage=shelf)
    async def w(ctx):
        return [await both(), await uuid4()]

    await lab.run(w)
    for cut in range(1, len(lab.log)):
        again = new_lab()
        again.log, again.generation = list(lab.log[:cut]), cut
        finished = sum(event.type == "TASK_COMPLETED" and event.name == "once_more" for event in again.log)
        before = len(ran)
        session = await again.run(w)
        output = shelf.retrieve(session.context.output)
        assert (session.divergence, output[0]) == (None, [{1}, {2}]), cut
        assert len(ran) - before <= 2 * (2 - finished), cut


async def test_a_file_with_a_secret_is_sealed(lab, tmp_path):
    lab.codec.redactor.learn(["hunter2-hunter2"])

    @task.with_options(output_storage=LocalFileStorage(tmp_path / "outputs"))
    async def header():
        return {"authorization": "Bearer hunter2-hunter2"}

    @workflow
    async def w(ctx):
        return len(await header())

    await lab.run(w)
    (file,) = (tmp_path / "outputs").iterdir()
    assert file.suffix == ".sealed" and b"hunter2" not in file.read_bytes()
    del lab.log[-1]
    assert (await lab.run(w)).context.output == 1
