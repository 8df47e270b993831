"""Types of inputs and answers: what they build, refuse, say in JSON schema, and are found by."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Optional

import pydantic
import pytest
import typing_extensions

from flux import ExecutionContext, workflow
from flux.codec import Codec
from flux.engine.types import (
    UNSAID,
    check_schema,
    coerce,
    coerce_answer,
    coerce_input,
    errors_of,
    input_type,
    json_schema,
    model_reference,
    resolve_model,
)
from flux.errors import InvalidInputError, UsageError

codec = Codec("pkl", b"key of the tests")


class Item(pydantic.BaseModel):
    name: str
    when: date = date(2026, 1, 1)


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    when: datetime


@dataclasses.dataclass
class Pair:
    left: Item
    right: Optional[Item] = None  # noqa: UP045  # the older spelling is in use


@dataclasses.dataclass
class Options:
    n: int = 3


class Row(typing.TypedDict):
    item: Item
    note: typing.NotRequired[str]


class Table(typing_extensions.TypedDict):
    rows: list[Row]


def even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even")
    return value


Even = Annotated[int, pydantic.AfterValidator(even)]


def places(type_: Any, value: Any) -> list[list[Any]]:
    return [error["loc"] for error in errors_of(lambda: coerce(type_, value))]


def test_plain_json_is_read_by_the_rules_of_json():
    assert coerce(Strict, {"when": "2026-01-02T03:04:05"}) == Strict(when=datetime(2026, 1, 2, 3, 4, 5))
    assert coerce(bytes, "AP8=") == b"\x00\xff"
    assert coerce(list[bytes], ["AP8="]) == [b"\x00\xff"]


def test_values_of_python_are_read_by_the_rules_of_python():
    assert coerce(Strict, {"when": datetime(2026, 1, 2)}) == Strict(when=datetime(2026, 1, 2))
    assert coerce(bytes, b"\x00\xff") == b"\x00\xff"
    item = Item(name="x")
    assert coerce(Item | None, item) == item
    assert coerce(Pair, Pair(item)) == Pair(item)


@pytest.mark.parametrize(
    "value", [{"$": 1}, {"a": float("inf")}, {"n": 10**5000}, {"a": "\ud800"}, {"p": "$"}], ids=list
)
def test_json_that_is_stored_in_other_words_is_read_as_it_was_given(value):
    assert coerce(dict[str, Any], value) == value


def test_typed_dicts_of_either_module():
    table = coerce(Table, {"rows": [{"item": {"name": "x"}}]})
    assert table == {"rows": [{"item": Item(name="x")}]}
    assert places(Table, {"rows": [{"item": {}, "note": 1}]}) == [["rows", 0, "item", "name"], ["rows", 0, "note"]]
    assert places(Optional[Row], {"note": "x"}) == [["item"]]  # noqa: UP045  # the older spelling is in use
    assert coerce(dict[str, Row | None], {"a": None}) == {"a": None}


def test_what_pydantic_knows_nothing_of_is_taken_as_it_comes():
    class Odd: ...

    assert coerce(Odd, {"a": 1}) == {"a": 1}
    assert json_schema(Odd) is None


def test_the_type_of_an_input_keeps_its_validators():
    @workflow
    async def w(ctx: ExecutionContext[Even]): ...

    assert errors_of(lambda: coerce_input(w, 3))[0]["msg"] == "Value error, must be even"
    assert input_type(w.func) is Even


def test_a_missing_input_becomes_a_model_of_defaults():
    @workflow
    async def w(ctx: ExecutionContext[Options]): ...

    assert coerce_input(w, None) == Options(3)


@pytest.mark.parametrize(
    ("type_", "says_all"),
    [
        (int, True),
        (list[int], True),
        (dict[str, int | None], True),
        (Item, True),
        (Even, False),
        (list[Even], False),
        (Optional[Even], False),  # noqa: UP045  # the older spelling is in use
        (typing.NewType("Id", int), False),
        (pydantic.PositiveInt, False),
    ],
)
def test_a_schema_says_when_the_code_checks_more(type_, says_all):
    schema = json_schema(type_)
    assert schema is not None
    assert schema.get("$comment") == (None if says_all else UNSAID)


@pytest.mark.parametrize(
    "type_",
    [Item, Pair, Row, list[Item], dict[str, list[Pair]], Item | None, Even, list[Even], typing.Literal["a", 1]],
)
def test_types_are_found_again_by_their_reference(type_):
    assert resolve_model(model_reference(type_, codec), codec) == type_


def test_classes_are_referred_to_by_name():
    assert model_reference(Item, codec) == f"{__name__}:Item"


def test_what_cannot_be_found_again_has_no_reference():
    assert model_reference(list[Item], Codec("json")) == ""
    for gone in ("", "no_such_module_anywhere:X", f"{__name__}:Gone", "form:!", "form:" + "A" * 80):
        assert resolve_model(gone, codec) is None
    assert resolve_model(model_reference(list[Item], Codec("pkl", b"another key")), codec) is None


def test_an_adapter_is_a_type_too():
    adapter = pydantic.TypeAdapter(list[Item])
    assert coerce(adapter, [{"name": "x"}]) == [Item(name="x")]
    assert json_schema(adapter) == json_schema(list[Item])


def test_answers_are_read_by_the_model_else_checked_by_the_schema():
    schema = {"type": "object", "required": ["n"]}
    assert coerce_answer(None, schema, {"n": 1}) == {"n": 1}
    with pytest.raises(InvalidInputError, match="'n' is a required property"):
        coerce_answer(None, schema, {})
    assert coerce_answer(Item, schema, {"name": "x"}) == Item(name="x")
    assert coerce_answer(None, None, None) is None
    assert coerce_answer(None, {"type": "string"}, date(2026, 1, 2)) == date(2026, 1, 2)


def test_what_is_no_json_schema_is_refused():
    check_schema({"type": "string"})
    with pytest.raises(UsageError, match=r"\$\.type of the schema is wrong: 'text' is not valid"):
        check_schema({"type": "text"})


def test_callables_are_no_reason_to_fail():
    assert json_schema(Callable[[int], str]) is None
