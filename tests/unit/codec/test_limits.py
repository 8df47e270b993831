"""What does not fit says so in words, and what classes have gained since is filled in."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import types
from datetime import datetime, time, timedelta, timezone

import pydantic
import pytest

from flux.codec import Codec, preview, to_plain
from flux.codec.digest import digest
from flux.codec.tags import MAX_DEPTH
from flux.errors import CodecError, RetryError

KEY = b"key of the tests"


@dataclasses.dataclass(frozen=True)
class Key:
    name: str


class Holder:
    def __init__(self, value):
        self.value = value


def nested(depth, wrap=lambda inner: [inner]):
    value: object = 1
    for _ in range(depth):
        value = wrap(value)
    return value


@pytest.fixture(params=["pkl", "json"])
def codec(request):
    return Codec(request.param, KEY)


WRAPS = [
    lambda inner: [inner],
    lambda inner: {"a": inner},
    lambda inner: (inner,),
    lambda inner: {1: inner},
    lambda inner: [inner, (1,)],
]


@pytest.mark.parametrize("wrap", WRAPS, ids=["list", "dict", "tuple", "odd key", "mixed"])
@pytest.mark.parametrize("depth", [10_000, 100_000])
def test_great_depth_is_refused_in_words(codec, depth, wrap):
    with pytest.raises(CodecError, match=r"nested more than 200 levels deep"):
        codec.encode(nested(depth, wrap))


@pytest.mark.parametrize("wrap", WRAPS, ids=["list", "dict", "tuple", "odd key", "mixed"])
def test_json_ends_where_its_readers_give_up(wrap):
    with pytest.raises(CodecError, match=r"nested more than 200 levels deep"):
        Codec("json").encode(nested(MAX_DEPTH + 1, wrap))


@pytest.mark.parametrize("wrap", WRAPS, ids=["list", "dict", "tuple", "odd key", "mixed"])
def test_usual_depth_is_carried(codec, wrap):
    value = nested(60, wrap)
    payload = codec.encode(value)
    assert payload.encoding == "json"
    assert codec.decode(payload) == value
    assert preview(payload)


@pytest.mark.parametrize("micros", [1, -1, 3_600_000_001])
def test_offsets_of_microseconds_are_kept(micros):
    zone = timezone(timedelta(microseconds=micros))
    for value in (datetime(2025, 1, 1, tzinfo=zone), time(1, tzinfo=zone)):
        back = Codec("json").decode(Codec("json").encode(value))
        assert (back, back.tzinfo) == (value, zone)


def test_a_value_inside_itself_is_refused_by_the_json_serializer():
    cycle: dict[str, object] = {}
    cycle["self"] = cycle
    with pytest.raises(CodecError, match="stands inside itself"):
        Codec("json").encode(cycle)


def test_a_forgotten_await_is_found_inside_objects():
    async def fetch(): ...

    with pytest.raises(CodecError, match=r"^\$\.a\.value is a coroutine of .*fetch: was an `await` forgotten\?$"):
        Codec("pkl", KEY).encode({"a": Holder(fetch())})


async def test_a_future_counts_as_a_forgotten_await(codec):
    with pytest.raises(CodecError, match=r"^\$\[0\] is a _asyncio\.Future: was an `await` forgotten\?$"):
        codec.encode([asyncio.get_running_loop().create_future()])


def test_fields_that_a_type_has_gained_get_their_defaults(monkeypatch):
    module = types.ModuleType("gaining")
    monkeypatch.setitem(sys.modules, "gaining", module)

    def define(*more):
        made = dataclasses.make_dataclass("Order", [("item", str), *more])
        model = pydantic.create_model(
            "Model", item=(str, ...), **{name: (kind, one.default) for name, kind, one in more}
        )
        for one in (made, model):
            one.__module__, one.__qualname__ = "gaining", one.__name__
            setattr(module, one.__name__, one)

    codec = Codec("json")
    define()
    stored = codec.encode([module.Order("tea"), module.Model(item="tea")])
    define(("amount", int, dataclasses.field(default=3)))
    order, model = codec.decode(stored)
    assert (order.amount, model.amount) == (3, 3)
    assert (order, model.item) == (module.Order("tea", 3), "tea")


def test_long_tracebacks_keep_their_end():
    def deeper(n):
        if n:
            return (deeper, shallower)[n % 2](n - 1)
        raise ValueError("bottom")

    def shallower(n):
        return deeper(n)

    try:
        deeper(200)
    except ValueError as error:
        plain = to_plain(Codec("json").encode(error))
    assert len(plain["traceback"]) <= 20_001
    assert plain["traceback"].endswith("ValueError: bottom\n")


def test_the_plain_form_of_spent_retries_names_their_cause():
    plain = to_plain(Codec("json").encode(RetryError(KeyError("k"), 3, 1, 2)))
    assert plain["type"] == "RetryError"
    assert plain["cause"] == {"type": "KeyError", "message": "'k'"}


def test_previews_of_large_objects_are_short_and_cheap():
    codec = Codec("pkl", KEY)
    text = preview(codec.encode([Holder(1)] * 100_000))
    assert len(text) <= 200
    assert text.startswith("builtins.list [<")


def test_digests_of_odd_keys_do_not_depend_on_where_objects_lie():
    first, second = object(), object()
    assert digest(({first: 1, "a": 2},), {}) == digest(({second: 1, "a": 2},), {})


def test_digests_look_into_objects_under_odd_keys():
    def of(name):
        return digest(({1: {"k": Key(name)}, "a": [Key(name)], "s": {Key(name)}},), {})

    assert of("x") == of("x")
    assert of("x") != of("y")
