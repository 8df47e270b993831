import dataclasses
import enum
import json
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.codec import NULL, Codec, Payload, from_plain, preview, to_plain
from flux.errors import CodecError, NonDeterminismError

codec = Codec("pkl", b"key")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("$"), inner),
    max_leaves=15,
)


class Status(enum.Enum):
    PAID = "paid"
    ODD = range(2)


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Order:
    item: str
    when: date


class Model(pydantic.BaseModel):
    a: int = 1


class Items(pydantic.RootModel[list[int]]):
    pass


class Thing:
    def __repr__(self):
        return "Thing(…)"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ((1, (2,)), [1, [2]]),
        ({3}, [3]),
        (Point(1, 2), [1, 2]),
        (datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC), "2025-01-02T03:04:05+00:00"),
        (date(2025, 1, 2), "2025-01-02"),
        (time(3, 4), "03:04:00"),
        (timedelta(days=1, seconds=2, microseconds=500_000), "P1DT2.5S"),
        (timedelta(), "PT0S"),
        (timedelta(seconds=-1), "-PT1S"),
        (timedelta(days=-3), "-P3D"),
        (timedelta(microseconds=1), "PT0.000001S"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.10"), "1.10"),
        (b"\xff\x00", "/wA="),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (Path("/a"), "/a"),
        (Status.PAID, "paid"),
        (Status.ODD, "ODD"),
        (Order("tea", date(2025, 1, 2)), {"item": "tea", "when": "2025-01-02"}),
        (Model(), {"a": 1}),
        (Items([1]), [1]),
        ({1: (2,), None: 3, (4, 5): 6}, {"1": [2], "None": 3, "[4, 5]": 6}),
        ({"$": (1,)}, {"$": [1]}),
        ("\ud800", "?"),
        ("😀", "😀"),
    ],
    ids=repr,
)
def test_plain_forms(value, plain):
    assert to_plain(codec.encode(value)) == plain


@pytest.mark.parametrize(
    "delta", [timedelta(days=1, seconds=2, microseconds=5), timedelta(), timedelta(seconds=-1), timedelta(-5, 7, 9)]
)
def test_durations_are_read_back_by_pydantic(delta):
    assert pydantic.TypeAdapter(timedelta).validate_python(to_plain(codec.encode(delta))) == delta


def test_models_have_the_form_their_own_json_has():
    class Full(pydantic.BaseModel):
        status: Status = Status.PAID
        when: datetime = datetime(2025, 1, 2)
        tags: set[str] = {"a"}

    Full.__qualname__ = "Full"
    globals()["Full"] = Full
    assert to_plain(codec.encode(Full())) == json.loads(Full().model_dump_json())


def test_nothing_is_unpickled():
    payload = codec.encode(Thing())
    assert to_plain(payload) == {"$type": f"{__name__}.Thing", "preview": "Thing(…)"}
    assert to_plain(Payload(b"rubbish", "dill", payload.preview)) == to_plain(payload)


def test_nothing_is_imported():
    assert to_plain(Payload(b'{"$":"dataclass","type":"no_such:X","v":{"a":1}}')) == {"a": 1}


def test_nothing_has_no_payload():
    assert to_plain(None) is None
    assert preview(None) == ""
    assert to_plain(NULL) is None


@given(json_values)
def test_plain_values_come_back(value):
    payload = from_plain(value)
    assert payload.encoding == "json"
    assert to_plain(payload) == value
    assert codec.decode(payload) == value


def test_plain_values_that_python_reads_from_json():
    assert math.isnan(codec.decode(from_plain(json.loads("[NaN]")))[0])
    assert codec.decode(from_plain("\ud800")) == "\ud800"


def test_depth_is_an_error_of_ours():
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(CodecError, match="nested too deeply"):
        from_plain(value)


@given(json_values, st.integers(1, 60))
def test_previews_keep_their_limit(value, limit):
    text = preview(from_plain(value), limit)
    assert 0 < len(text) <= limit
    text.encode()


@pytest.mark.parametrize("value", ["x" * 100_000, [{"$": "y"}] * 10_000, "é" * 50_000, "\ud800" * 50_000])
def test_previews_of_large_values(value):
    text = preview(codec.encode(value), 50)
    assert len(text) == 50
    assert text.endswith("…")
    text.encode()


def test_previews_of_what_dill_carries():
    assert preview(codec.encode(Thing())) == f"{__name__}.Thing Thing(…)"
    assert len(preview(codec.encode({"a": [Thing()] * 1000}), 30)) == 30


def test_previews_show_values():
    assert preview(codec.encode({"a": (1, "é")})) == '{"a": [1, "é"]}'


def test_a_divergence_shows_its_members():
    error = NonDeterminismError(recorded="a()", recorded_at="x.py:1", attempted="b()", attempted_at="x.py:2", cause="c")
    plain = to_plain(codec.encode(error))
    assert {**error.extra(), "type": "NonDeterminismError", "message": str(error)}.items() <= plain.items()
