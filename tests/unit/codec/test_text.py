from __future__ import annotations

import json
import math

import pytest

from flux.codec import text
from flux.codec.text import json_writer, read_json

VALUES = [
    None,
    True,
    12,
    -1.5,
    math.inf,
    "plain",
    'é " \\ \n \x00 😀 \ud800',
    [],
    {},
    [1, [2, {"b": None, "a": [False]}]],
    {"b": 1, "a": {"d": 2, "c": 3}},
    (1, 2),
    {1: "a", 2: "b"},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize("ascii", [True, False])
@pytest.mark.parametrize("sort_keys", [True, False])
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "without the C encoder"])
def test_it_writes_what_json_writes(monkeypatch, value, ascii, sort_keys, fast):
    if not fast:
        monkeypatch.setattr(text, "_make_encoder", None)
    write = json_writer(ascii=ascii, sort_keys=sort_keys)
    assert write(value) == json.dumps(value, ensure_ascii=ascii, sort_keys=sort_keys, separators=(",", ":"))


def test_numbers_that_json_has_not_can_be_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_writer(allow_nan=False)([math.nan])


def test_what_json_does_not_know_is_asked_for():
    assert json_writer(default=sorted)({"a": {3, 1}}) == '{"a":[1,3]}'
    with pytest.raises(TypeError, match="set"):
        json_writer()({1})


def test_a_value_inside_itself_is_refused():
    value: list = []
    value.append(value)
    with pytest.raises(RecursionError):
        json_writer()(value)
    assert json_writer()([1]) == "[1]"


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_it_reads_what_it_writes(value):
    data = json_writer()(value).encode()
    assert read_json(data) == json.loads(data)


@pytest.mark.parametrize("data", [b' {"a" : 1}\n', b"\xef\xbb\xbf1", "1".encode("utf-16")], ids=repr)
def test_other_json_is_read_too(data):
    assert read_json(data) == json.loads(data)


@pytest.mark.parametrize("data", [b"", b"1 2", b"[1", b"\xff", b"nul"], ids=repr)
def test_what_is_no_json_is_refused(data):
    with pytest.raises(ValueError, match=r".+"):
        read_json(data)
