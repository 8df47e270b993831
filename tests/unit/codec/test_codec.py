import asyncio
import cmath
import collections
import dataclasses
import enum
import inspect
import json
import math
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.codec import Codec, Payload, from_plain, to_plain
from flux.errors import CodecError

KEY = b"key of the tests"


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)
    ODD = range(3)


class Level(enum.IntEnum):
    LOW = 1


class Name(enum.StrEnum):
    A = "a"


class Bits(enum.Flag):
    X = 1
    Y = 2


class Point(NamedTuple):
    x: Any
    y: Any = 0


@dataclasses.dataclass
class Order:
    item: Any
    amount: float = 0.0
    total: float = dataclasses.field(init=False, default=0.0)

    def __post_init__(self):
        self.total = self.amount * 2


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    value: Any


@dataclasses.dataclass
class Cached:
    value: int

    def __post_init__(self):
        self.extra = self.value + 1


@dataclasses.dataclass
class Counted(dict):
    value: int


class Model(pydantic.BaseModel):
    name: str = pydantic.Field("x", alias="Name")
    inner: Any = None
    _private: int = pydantic.PrivateAttr(0)

    def model_post_init(self, context):
        self._private += 1


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    a: int = 1


class Items(pydantic.RootModel[list[int]]):
    def __iter__(self):
        return iter(self.root)


class Plain:
    """A class that only dill carries."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return type(other) is Plain and other.value == self.value

    __hash__ = None


class NotStorable:
    def __reduce_ex__(self, protocol):
        raise TypeError("no")


@pytest.fixture(params=["pkl", "json"])
def codec(request):
    return Codec(request.param, KEY)


@pytest.fixture
def dill_codec():
    return Codec("pkl", KEY)


def carried(value, codec=None):
    """A value and its type, after a round trip that needs no dill."""
    payload = (codec or Codec("json")).encode(value)
    assert payload.encoding == "json"
    json.loads(payload.data)
    return (codec or Codec()).decode(payload)


surrogates = st.text(st.characters(codec="utf-16", exclude_categories=()) | st.sampled_from("\ud800\udfff\x00$"))
zones = st.none() | st.timezones() | st.timedeltas(timedelta(hours=-20), timedelta(hours=20)).map(timezone)
hashables = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | surrogates
    | st.binary()
    | st.uuids()
    | st.dates()
    | st.datetimes(timezones=zones)
    | st.times(timezones=st.none() | st.just(UTC))
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.sampled_from([*Colour, *Level, *Name, Bits.X, Bits.X | Bits.Y, Bits(0)])
    | st.sampled_from([Path("/a/b"), Path(), PurePosixPath("x"), PureWindowsPath("c:\\x")])
)
values = st.recursive(
    hashables | st.binary().map(bytearray),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(surrogates | st.just("$"), inner)
        | st.dictionaries(hashables, inner)
        | st.sets(hashables)
        | st.frozensets(hashables)
        | st.builds(Point, inner, inner)
        | st.builds(Order, inner, st.floats(allow_nan=False))
        | st.builds(Frozen, inner)
        | inner.map(lambda item: Model(Name="n", inner=item))
        | st.builds(Open, a=st.integers(), b=inner)
    ),
    max_leaves=12,
)


def shape(value):
    """The value with its types: 1 == 1.0 == True must not hide a change."""
    if isinstance(value, dict):
        return [type(value), [(shape(key), shape(item)) for key, item in value.items()]]
    if isinstance(value, list | tuple):
        return [type(value), [shape(item) for item in value]]
    if isinstance(value, set | frozenset):
        return [type(value), sorted(repr(shape(item)) for item in value)]
    if dataclasses.is_dataclass(value):
        return [type(value), [shape(getattr(value, field.name)) for field in dataclasses.fields(value)]]
    if isinstance(value, pydantic.BaseModel):
        return [type(value), shape(vars(value)), shape(value.model_extra), value.model_fields_set]
    if isinstance(value, datetime | time):
        return [type(value), repr(value)]
    return [type(value), repr(value)]


@given(values)
def test_round_trip(value):
    assert shape(carried(value)) == shape(value)


@given(values)
def test_everything_has_a_plain_form(value):
    plain = to_plain(Codec().encode(value))
    json.dumps(plain, ensure_ascii=False, allow_nan=False).encode()


@given(values)
def test_plain_forms_are_values_like_others(value):
    plain = to_plain(Codec().encode(value))
    assert to_plain(from_plain(plain)) == plain


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.0], ids=repr)
def test_odd_floats(value):
    assert repr(carried(value)) == repr(value)
    assert repr(carried([{"x": value}])) == repr([{"x": value}])


def test_odd_numbers():
    assert carried(Decimal("NaN")).is_nan()
    assert repr(carried(Decimal("-1.10E+7"))) == repr(Decimal("-1.10E+7"))
    assert cmath.isnan(carried(complex(math.nan, 1)))


@pytest.mark.parametrize("value", [2**53 + 1, -(2**2047), 2**2048, -(2**2048), 10**5000, -(10**5000)], ids=["…"] * 6)
def test_huge_integers(value):
    assert carried(value) == value
    assert carried({"n": [value]}) == {"n": [value]}
    json.dumps(to_plain(Codec().encode(value)))


def test_time_zones_keep_their_names():
    berlin = ZoneInfo("Europe/Berlin")
    value = datetime(2025, 10, 26, 2, 30, tzinfo=berlin, fold=1)
    back = carried(value)
    assert (back.tzinfo, back.fold, back.utcoffset()) == (berlin, 1, timedelta(hours=1))
    assert carried(time(3, tzinfo=berlin)).tzinfo is berlin
    assert to_plain(Codec().encode(value)) == "2025-10-26T02:30:00+01:00"


def test_moments_that_pydantic_has_read_need_no_dill():
    read = pydantic.TypeAdapter(list[datetime]).validate_json('["2026-01-02T03:04:05Z", "2026-01-02T03:04:05+05:45"]')
    back = carried(read)
    assert back == read
    assert [moment.utcoffset() for moment in back] == [timedelta(0), timedelta(hours=5, minutes=45)]


def test_post_init_and_hooks_do_not_run_again():
    order = Order("tea", 2.0)
    order.total = 5.0
    assert carried(order).total == 5.0
    model = Model(Name="n")
    assert (carried(model)._private, carried(model)) == (1, model)


def test_models_keep_what_was_given_and_extras():
    assert carried(Open(b=2)).model_fields_set == {"b"}
    assert carried(Open(b=2)).b == 2
    assert carried(Items([1, 2])) == Items([1, 2])
    unchecked = Open.model_construct(a="not a number")
    assert carried(unchecked).a == "not a number"


def test_dataclasses_with_more_than_fields_need_dill(dill_codec):
    for value in (Cached(1), Counted(1)):
        payload = dill_codec.encode(value)
        assert payload.encoding == "dill"
        assert dill_codec.decode(payload) == value
    assert dill_codec.decode(dill_codec.encode(Cached(1))).extra == 2


@pytest.mark.parametrize(
    "value",
    [
        Plain([1]),
        [1, {"a": Plain(2)}],
        range(3),
        collections.OrderedDict(a=1),
        collections.Counter("aab"),
        type("Text", (str,), {})("x"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_rest_goes_through_dill(dill_codec, value):
    payload = dill_codec.encode(value)
    assert payload.encoding == "dill"
    assert dill_codec.decode(payload) == value
    assert type(dill_codec.decode(payload)).__name__ == type(value).__name__


def test_functions_and_cycles_go_through_dill(dill_codec):
    assert dill_codec.decode(dill_codec.encode(lambda n: n + 1))(1) == 2
    cycle: list[Any] = []
    cycle.append(cycle)
    back = dill_codec.decode(dill_codec.encode(cycle))
    assert back[0] is back


def test_local_classes_go_through_dill(dill_codec):
    @dataclasses.dataclass
    class Local:
        value: int

    assert dill_codec.decode(dill_codec.encode(Local(3))).value == 3


def test_the_json_serializer_refuses_and_names_the_path():
    with pytest.raises(CodecError) as caught:
        Codec("json").encode({"orders": [1, (2, Plain(3))]})
    assert str(caught.value).startswith("$.orders[1][1] is a ")
    assert "Plain, which JSON cannot carry" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (NotStorable(), "$"),
        ([lambda: 1, {"a": NotStorable()}], "$[1].a"),
        ({1: NotStorable()}, "$[1]"),
        (Order(NotStorable()), "$.item"),
        (Plain({"deep": [NotStorable()]}), "$.value.deep[0]"),
    ],
    ids=["itself", "beside what dill can", "odd key", "dataclass", "object"],
)
def test_what_cannot_be_stored_is_named_by_its_path(dill_codec, value, path):
    with pytest.raises(CodecError) as caught:
        dill_codec.encode(value)
    assert str(caught.value).startswith(f"{path} is a ")
    assert "NotStorable, which cannot be stored: TypeError: no" in str(caught.value)
    assert caught.value.hint


def test_a_forgotten_await_is_recognized(codec):
    async def fetch():
        """Never run."""

    with pytest.raises(CodecError, match=r"\$\.a is a coroutine of .*fetch: was an `await` forgotten\?"):
        codec.encode({"a": fetch()})


def test_a_coroutine_that_is_only_lent_stays_usable(codec):
    async def fetch():
        return 1

    coroutine = fetch()
    with pytest.raises(CodecError, match="coroutine of"):
        codec.encode([coroutine], lent=True)
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED
    with pytest.raises(CodecError, match="coroutine of"):
        codec.encode([coroutine])
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED


async def test_a_task_of_asyncio_is_refused(dill_codec):
    task = asyncio.ensure_future(asyncio.sleep(0))
    with pytest.raises(CodecError, match=r"\$\[0\] is a _asyncio\.Task"):
        dill_codec.encode([task])
    await task


def test_only_own_signatures_are_opened(dill_codec):
    payload = dill_codec.encode(Plain(1))
    with pytest.raises(CodecError, match="signed with another key"):
        Codec("pkl", b"another").decode(payload)
    changed = Payload(payload.data[:-1] + b"x", "dill", payload.preview)
    with pytest.raises(CodecError, match="signed with another key"):
        dill_codec.decode(changed)
    with pytest.raises(CodecError):
        dill_codec.decode(Payload(b"", "dill"))


def test_the_json_serializer_still_opens_what_was_stored_before(dill_codec):
    assert Codec("json", KEY).decode(dill_codec.encode(Plain(1))) == Plain(1)


@pytest.mark.parametrize(
    "data",
    [
        b'{"$":"dataclass","type":"no_such_module:X","v":{}}',
        b'{"$":"enum","type":"enum:Gone","name":"A","v":"a"}',
        b'{"$":"no such tag","v":1}',
    ],
)
def test_types_that_are_gone_are_an_error_of_ours(data):
    with pytest.raises(CodecError, match="cannot be opened by this code") as caught:
        Codec().decode(Payload(data))
    assert caught.value.__cause__ is not None


def test_users_data_is_never_taken_for_tags():
    for value in ({"$": "dataclass", "type": "os:system", "v": {}}, {"a": {"$": 1}}, [{"$": None, "b": ({"$": 2},)}]):
        assert carried(value) == value
    assert Codec().decode(from_plain({"$": "tuple", "v": [1]})) == {"$": "tuple", "v": [1]}


def test_importing_the_codec_stays_cheap():
    code = "import sys, flux.codec; sys.exit(any(name in sys.modules for name in ('pydantic', 'dill')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_codec_serves_many_threads(dill_codec):
    errors: list[BaseException] = []

    def work():
        try:
            for number in range(50):
                value = {"n": number, "e": ValueError(number), "t": (number,)}
                back = dill_codec.decode(dill_codec.encode(value))
                assert (back["n"], back["t"], back["e"].args) == (number, (number,), (number,))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_dates_are_not_datetimes():
    assert type(carried(date(2025, 1, 1))) is date
    assert type(carried(UUID(int=1))) is UUID
