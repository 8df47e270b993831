import dataclasses
import enum
import subprocess
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.codec.digest import digest

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=15,
)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass
class Order:
    item: object


class Model(pydantic.BaseModel):
    a: int


class Broken:
    def __hash__(self):
        return 1

    def __repr__(self):
        raise RuntimeError("no")


@given(json_values)
def test_sixteen_hex_digits(value):
    text = digest((value,), {"k": value})
    assert len(text) == 16
    assert int(text, 16) >= 0
    assert digest((value,), {"k": value}) == text


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_the_order_of_keys_does_not_matter(value):
    turned = dict(reversed(value.items()))
    assert digest((value,), {}) == digest((turned,), {})
    assert digest((), value) == digest((), turned)


@given(st.sets(st.text() | st.uuids() | st.binary()))
def test_the_order_of_sets_does_not_matter(value):
    assert digest((value,), {}) == digest(({*sorted(value, key=repr)},), {})


@given(st.lists(st.integers() | st.text(), min_size=2, unique_by=repr))
def test_the_order_of_lists_matters(value):
    assert digest((value,), {}) != digest((value[::-1],), {}) or value == value[::-1]


def test_lists_and_tuples_are_alike():
    assert digest(([1, (2,)],), {}) == digest(((1, [2]),), {})


DIFFERENT = [
    None, 0, 1, 1.5, "1", "", True, [], {}, [[]], b"", b"1", set(), {1}, frozenset({1}),
    datetime(2025, 1, 1), datetime(2025, 1, 2), timedelta(1), Decimal("1"), Decimal("2"), UUID(int=1), UUID(int=2),
    Path("a"), Path("b"), 1j, Colour.RED, Colour.BLUE, Order(1), Order(2), Order(Order(1)), Model(a=1), Model(a=2),
    float("nan"), float("inf"), 10**6000, 10**6000 + 1, "\ud800", {1: 1, "b": 2}, {1: 1, "b": 3}, object, print,
]  # fmt: skip


def test_different_values_differ():
    found = {digest((value,), {}): value for value in DIFFERENT}
    assert len(found) == len(DIFFERENT)


def test_positional_and_named_arguments_differ():
    assert (
        len({digest((1,), {}), digest((), {"a": 1}), digest((1,), {"a": 1}), digest((), {}), digest((1, 1), {})}) == 5
    )


def test_what_has_no_form_counts_by_its_type():
    assert digest((object(),), {}) == digest((object(),), {})
    assert digest((lambda: 1,), {}) != digest((object(),), {})


def _cycle():
    cycle: list[object] = [1]
    cycle += [cycle] * 5
    return cycle


def _deep():
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize("make", [_cycle, _deep, Broken, lambda: {Broken(): 1, "a": 2}, lambda: Order.__new__(Order)])
def test_nothing_makes_it_fail(make):
    value = make()
    assert digest((value,), {}) == digest((value,), {})


def test_processes_agree():
    code = (
        "from flux.codec.digest import digest; from uuid import UUID; "
        "print(digest(({'a', 'b', UUID(int=1)}, {'x': 1.5}), {'z': 1, 'y': b'2'}))"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1
