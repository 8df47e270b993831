"""The cache of results: what is used again, by whom, and what never is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import pytest

from flux import task, workflow
from flux.codec.digest import exact_digest
from flux.domain import Inquiry, InquiryKind
from flux.errors import ExecutionError, ServerUnavailableError
from flux.store import Store, StoreDesk


@pytest.fixture
async def store(lab, tmp_path):
    store = await Store.open(
        f"sqlite:///{tmp_path / 'flux.db'}", clock=lab.clock, synchronous="normal", secrets_key=lambda: b"s" * 32
    )
    yield store
    await store.close()


@pytest.fixture
def runs(lab, new_lab, store):
    """Runs a body as a new execution on one store; the lab comes back."""

    async def run(body, namespace="default", input=None):
        another = new_lab()
        another.clock, another.desk = lab.clock, StoreDesk(store)

        @workflow.with_options(namespace=namespace)
        async def w(ctx):
            return await body(ctx)

        session = await another.run(w, input)
        another.output = session.context.output
        return another

    return run


def counted(**options):
    """A cached task, and the arguments it has really run with."""
    ran = []

    @task.with_options(**({"cache": True} | options))
    async def double(x, scale=2):
        ran.append(x)
        return None if x is None else x * scale

    return double, ran


async def test_a_second_execution_uses_the_first_ones_result(runs):
    double, ran = counted()
    first, second = await runs(lambda ctx: double(3)), await runs(lambda ctx: double(3))
    assert (first.output, second.output, ran) == (6, 6, [3])
    assert first.types[1:3] == ["TASK_STARTED", "TASK_COMPLETED"]
    assert second.types[1:4] == ["TASK_STARTED", "TASK_CACHE_HIT", "TASK_COMPLETED"]


async def test_how_the_arguments_are_passed_does_not_matter(runs):
    double, ran = counted()

    async def body(ctx):
        return [await double(3), await double(x=3), await double(3, 2), await double(3, scale=2), await double(3, 5)]

    assert (await runs(body)).output == [6, 6, 6, 6, 15]
    assert ran == [3, 3]


async def test_none_is_a_result_too(runs):
    double, ran = counted()
    await runs(lambda ctx: double(None))
    assert (await runs(lambda ctx: double(None))).output is None
    assert ran == [None]


async def test_values_keep_their_types(runs):
    double, ran = counted()
    await runs(lambda ctx: double(timedelta(hours=1)))
    assert (await runs(lambda ctx: double(timedelta(hours=1)))).output == timedelta(hours=2)
    assert len(ran) == 1


@pytest.mark.parametrize("cache", [60, timedelta(minutes=1)])
async def test_a_result_counts_as_long_as_it_was_said(runs, lab, cache):
    double, ran = counted(cache=cache)
    await runs(lambda ctx: double(3))
    lab.clock.advance(59)
    await runs(lambda ctx: double(3))
    assert ran == [3]
    lab.clock.advance(1)
    await runs(lambda ctx: double(3))
    assert ran == [3, 3]


async def test_namespaces_names_modules_and_code_do_not_share(runs):
    ran = []

    def make(code, module="shop", name=None):
        scope = {"ran": ran}
        exec(code, scope)
        scope["f"].__module__ = module
        return task.with_options(cache=True, name=name)(scope["f"])

    plain = "async def f(x):\n    ran.append(x)\n    return x + 1"
    await runs(lambda ctx: make(plain)(1))
    await runs(lambda ctx: make("# another comment\n\n" + plain)(1))
    assert len(ran) == 1
    await runs(lambda ctx: make(plain)(1), namespace="other")
    await runs(lambda ctx: make(plain, module="store")(1))
    await runs(lambda ctx: make(plain, name="g_{x}")(1))
    assert (await runs(lambda ctx: make(plain.replace("+ 1", "+ 2"))(1))).output == 3
    assert len(ran) == 5


class Opaque:
    pass


@dataclass
class Order:
    number: int


@pytest.mark.parametrize("argument", [Opaque(), lambda: 0, {"deep": [Opaque()]}])
async def test_arguments_that_cannot_be_told_apart_are_never_looked_up(runs, argument):
    ran = []

    @task.with_options(cache=True)
    async def look(thing):
        ran.append(thing)

    for _ in range(2):
        log = await runs(lambda ctx: look(argument))
        assert "TASK_CACHE_HIT" not in log.types
    assert len(ran) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, True), ("1", 1), ([1], (1,)), ({1: "a"}, {"1": "a"}), (0.0, -0.0), (Order(1), {"number": 1})],
)
def test_what_is_alike_is_not_the_same(one, other):
    assert exact_digest(one) != exact_digest(other)
    assert exact_digest(one) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [({"a": 1, "b": 2}, {"b": 2, "a": 1}), ({1: "a", 2: "b"}, {2: "b", 1: "a"}), ({"x", "y", "z"}, {"z", "y", "x"})],
)
def test_order_that_means_nothing_does_not_count(one, other):
    assert exact_digest([one]) == exact_digest([other])


async def test_failures_and_what_replaces_them_are_not_kept(runs):
    healthy = False

    @task.with_options(cache=True, fallback=lambda: "stand-in")
    async def load():
        if not healthy:
            raise OSError("gone")
        return "loaded"

    assert (await runs(lambda ctx: load())).output == "stand-in"
    healthy = True
    assert (await runs(lambda ctx: load())).output == "loaded"
    healthy = False
    assert (await runs(lambda ctx: load())).output == "loaded"


async def test_a_failing_task_fails_each_time(runs):
    double, _ = counted()
    assert isinstance((await runs(lambda ctx: double("x", "y"))).output, ExecutionError)
    assert isinstance((await runs(lambda ctx: double("x", "y"))).output, ExecutionError)


async def test_methods_depend_on_what_they_are_called_on(runs):
    @dataclass
    class Shop:
        name: str

        @task.with_options(cache=True)
        async def hello(self, guest):
            return f"{self.name}: {guest}"

    globals()["Shop"] = Shop
    Shop.__qualname__ = "Shop"

    async def body(ctx):
        return [await Shop("A").hello("x"), await Shop("B").hello("x"), await Shop("A").hello("x")]

    log = await runs(body)
    assert log.output == ["A: x", "B: x", "A: x"]
    assert log.types.count("TASK_CACHE_HIT") == 1


async def test_a_hit_needs_no_retry_and_a_retry_comes_before_the_cache(runs):
    attempts = []

    @task.with_options(cache=True, retry_max_attempts=2, retry_delay=0)
    async def shaky():
        attempts.append(1)
        if len(attempts) < 2:
            raise OSError("again")
        return "ok"

    first, second = await runs(lambda ctx: shaky()), await runs(lambda ctx: shaky())
    assert (first.output, second.output, len(attempts)) == ("ok", "ok", 2)
    assert not [name for name in second.types if "RETRY" in name]


async def test_replay_never_asks(lab, store):
    asked = []

    class Watched(StoreDesk):
        async def ask(self, inquiry: Inquiry):
            asked.append(inquiry.kind)
            return await super().ask(inquiry)

    double, ran = counted()

    @workflow
    async def w(ctx):
        return await double(3) + await double(4)

    lab.desk = Watched(store)
    await lab.run(w)
    assert asked == [InquiryKind.CACHE_READ, InquiryKind.CACHE_WRITE] * 2
    del lab.log[-1]
    assert (await lab.run(w)).context.output == 14
    assert (len(asked), ran) == (4, [3, 4])


async def test_a_call_that_had_begun_meets_its_recorded_steps_again(lab, runs, store):
    @task
    async def step(x):
        return x

    @task.with_options(cache=True)
    async def both():
        return await step(1) + await step(2)

    @workflow
    async def w(ctx):
        return await both()

    lab.desk, lab.crash_after = StoreDesk(store), 4
    await lab.run(w)
    assert lab.shown[-1].startswith("TASK_COMPLETED step")
    await runs(lambda ctx: both())  # meanwhile another execution has the result
    lab.crash_after, lab.stale = None, False
    session = await lab.run(w)
    assert (session.context.output, session.divergence) == (3, None)
    assert "TASK_CACHE_HIT" not in lab.types


async def test_a_cache_that_is_away_does_no_harm(lab):
    class Away:
        async def ask(self, inquiry: Inquiry):
            raise ServerUnavailableError("no")

    double, ran = counted()

    @workflow
    async def w(ctx):
        return [await double(3), await double(3)]

    lab.desk = Away()
    assert (await lab.run(w)).context.output == [6, 6]
    assert ran == [3, 3]


async def test_what_cannot_be_stored_is_not_kept(runs):
    @task.with_options(cache=True)
    async def make():
        return asyncio.get_running_loop()

    for _ in range(2):
        log = await runs(lambda ctx: make())
        assert isinstance(log.output, ExecutionError)
        assert "TASK_CACHE_HIT" not in log.types


async def test_a_result_with_a_secret_lies_there_sealed(runs, store, lab):
    @task.with_options(cache=True, secret_requests=["TOKEN"])
    async def fetch(secrets):
        return {"header": f"Bearer {secrets['TOKEN']}"}

    await store.secrets.set("TOKEN", "hunter2-hunter2")
    first, second = await runs(lambda ctx: fetch()), await runs(lambda ctx: fetch())
    assert first.output == second.output == {"header": "Bearer hunter2-hunter2"}
    hit = next(event for event in second.log if event.type == "TASK_CACHE_HIT")
    kept = await store.cache.get(lab.codec.decode(hit.payload)["key"])
    assert kept.encoding == "sealed" and b"hunter2" not in kept.data


async def test_a_changed_configuration_value_is_another_question(runs, store, lab):
    asked = []

    @task.with_options(cache=True, config_requests=["rate"])
    async def price(x, config):
        asked.append(x)
        return x * config["rate"]

    outputs = []
    for rate in (2, 2, 3):
        await store.configs.set("rate", lab.codec.encode(rate))
        outputs.append((await runs(lambda ctx: price(5))).output)
    assert (outputs, asked) == ([10, 10, 15], [5, 5])
