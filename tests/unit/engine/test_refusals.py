"""What is recorded of values: refused at every door when only JSON is allowed, and named where it went wrong."""

from __future__ import annotations

import pytest

from flux import task, workflow
from flux.codec import Codec
from flux.errors import CodecError, ExecutionError
from flux.tasks import parallel, pause


class Plain:
    """Only dill carries it."""


class Client:
    """Its tasks are methods; it is no value."""

    @task
    async def fetch(self, n: int) -> int:
        return n


@task
async def echo(value: object) -> object:
    return value


@task
async def broken() -> object:
    return {"rows": [1, Plain()]}


@task
async def load(*awaitables: object) -> list[object]:
    return [await awaitable for awaitable in awaitables]  # type: ignore[attr-defined]  # the test passes coroutines


@pytest.fixture
def strict(lab):
    lab.codec = Codec("json")
    return lab


async def refused(lab, body) -> CodecError:
    """The codec's error behind the failure of a workflow with this body."""

    @workflow
    async def w(ctx):
        return await body()

    session = await lab.run(w)
    error = session.context.output
    assert session.context.has_failed
    return error.inner_exception if isinstance(error, ExecutionError) else error


async def test_an_output_is_refused(strict):
    error = await refused(strict, broken)
    assert str(error).startswith("$.rows[1] is a ")
    assert "Plain, which JSON cannot carry" in str(error)
    assert strict.types[-2:] == ["TASK_FAILED", "WORKFLOW_FAILED"]


async def test_an_argument_is_refused_before_the_task_runs(strict):
    error = await refused(strict, lambda: echo([Plain()]))
    assert str(error).startswith("$.value[0] is a ")
    assert strict.shown[1:3] == ["TASK_STARTED echo", "TASK_FAILED echo"]


async def test_a_refused_argument_is_refused_again_in_replay(strict):
    @workflow
    async def w(ctx):
        try:
            await echo(Plain())
        except ExecutionError as error:
            await pause("look")
            return str(error)

    await strict.run(w)
    strict.answer("look", 1)
    assert "$.value is a " in (await strict.run(w)).context.output


async def test_what_a_pause_shows_is_refused(strict):
    assert str(await refused(strict, lambda: pause("look", output=(1, Plain())))).startswith("$[1] is a ")


async def test_what_a_workflow_returns_is_refused(strict):
    async def body():
        return Plain()

    assert str(await refused(strict, body)).startswith("$ is a ")


async def test_methods_may_have_any_owner(strict):
    @workflow
    async def w(ctx):
        return await Client().fetch(1)

    assert (await strict.run(w)).context.output == 1
    assert strict.codec.decode(strict.log[1].payload) == {"n": 1}


@pytest.mark.parametrize(
    ("forget", "named"),
    [
        (lambda: {"a": [echo(1)]}, r"\$\.a\[0\] is a coroutine of echo"),
        (lambda: echo.map([1]), r"\$ is a coroutine of echo\.map"),
        (lambda: echo.starmap([(1,)]), r"\$ is a coroutine of echo\.starmap"),
        (lambda: Client().fetch(1), r"\$ is a coroutine of Client\.fetch"),
        (lambda: pause("x"), r"\$ is a coroutine of pause"),
        (lambda: parallel(), r"\$ is a coroutine of parallel"),
    ],
    ids=["task", "map", "starmap", "method", "pause", "parallel"],
)
@pytest.mark.parametrize("serializer", ["pkl", "json"])
async def test_a_forgotten_await_names_the_task(lab, serializer, forget, named):
    lab.codec = Codec(serializer)

    async def body():
        return forget()

    error = await refused(lab, body)
    assert isinstance(error, CodecError)
    assert error.hint == "Await the task and return its result."
    with pytest.raises(CodecError, match=rf"^{named}: was an `await` forgotten\?$"):
        raise error


async def test_coroutines_may_be_arguments(lab):
    @workflow
    async def w(ctx):
        return await load(echo(1), echo(2))

    assert (await lab.run(w)).context.output == [1, 2]
