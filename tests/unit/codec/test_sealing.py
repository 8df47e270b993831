from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flux.codec import HIDDEN, Codec, Payload, Redactor, Seal, preview, to_plain
from flux.errors import CodecError, ExecutionError, WrongKeyError

SECRET = 'hunter2"!ü'


@pytest.fixture
def codec():
    return Codec("pkl", b"key", Redactor([SECRET]))


@settings(deadline=None)
@given(st.binary(max_size=100), st.binary(max_size=10))
def test_what_is_sealed_comes_back(text, about):
    seal = Seal(b"key", "tests")
    assert seal.open(seal.seal(text, about), "It", about) == text


def test_nothing_of_the_text_is_seen_and_no_two_are_alike():
    seal = Seal(b"key", "tests")
    first, second = seal.seal(b"the same text"), seal.seal(b"the same text")
    assert first != second
    assert b"the same" not in first


def test_equal_texts_are_sealed_equally_on_demand():
    first, second, other = (Seal(b"key", "tests").seal(text, repeatable=True) for text in (b"a", b"a", b"b"))
    assert first == second != other
    assert Seal(b"key", "tests").open(other, "It") == b"b"
    assert Seal(b"key", "tests").seal(b"a", b"about", repeatable=True)[:16] != first[:16]


def test_another_key_is_named():
    old, new = Seal(b"old", "tests"), Seal(b"new", "tests")
    with pytest.raises(WrongKeyError, match=rf"The secret 'K' .*{old.key_id}.*missing.*{new.key_id}") as caught:
        new.open(old.seal(b"text"), "The secret 'K'")
    assert "encryption_key" in caught.value.hint


@pytest.mark.parametrize("purpose", ["tests", "others"])
def test_a_text_belongs_to_one_thing_and_one_purpose(purpose):
    sealed = Seal(b"key", "tests").seal(b"text", b"A")
    with pytest.raises(WrongKeyError):
        Seal(b"key", purpose).open(sealed, "It", b"B")


def test_a_damaged_text_is_not_opened():
    seal = Seal(b"key", "tests")
    sealed = bytearray(seal.seal(b"text"))
    sealed[-1] ^= 1
    with pytest.raises(WrongKeyError, match="damaged"):
        seal.open(bytes(sealed), "It")


def test_the_key_is_asked_for_once_and_not_before_it_is_needed():
    asked = []
    seal = Seal(lambda: asked.append(1) or b"key", "tests")
    assert asked == []
    for _ in range(3):
        seal.open(seal.seal(b"text"), "It")
    assert asked == [1]


class Odd:
    """What only dill carries."""

    def __init__(self, text):
        self.text = text
        self.callback = lambda: text

    def __repr__(self):
        return f"Odd({self.text})"


@pytest.mark.parametrize(
    "value",
    [SECRET, {"a": [1, (f"x{SECRET}y",)]}, SECRET.encode(), {SECRET: 1}, Odd(SECRET), Odd(SECRET.encode())],
    ids=["text", "nested", "bytes", "key", "dill", "dill bytes"],
)
def test_a_value_with_a_secret_is_sealed_and_shown_as_dots(codec, value):
    payload = codec.encode(value)
    assert payload.encoding == "sealed"
    assert to_plain(payload) == HIDDEN
    assert preview(payload) == f'"{HIDDEN}"'
    stored = payload.data + payload.preview.encode()
    assert codec.redactor.found(stored) == []
    back = codec.decode(payload)
    assert back.text == value.text if isinstance(value, Odd) else back == value


def test_other_values_are_as_ever(codec):
    assert codec.encode({"a": 1}) == Codec("pkl", b"key").encode({"a": 1})


def test_who_opens_a_sealed_value_hides_its_secret_from_then_on(codec):
    elsewhere = Codec("pkl", b"key")
    assert elsewhere.encode(SECRET).encoding == "json"
    elsewhere.decode(codec.encode([SECRET]))
    assert elsewhere.encode({"again": SECRET}).encoding == "sealed"


def test_a_failure_is_shown_without_the_secret(codec):
    with pytest.raises(ValueError, match="no such") as caught:
        raise ValueError(f"no such token: {SECRET}")
    payload = codec.encode(ExecutionError(caught.value))
    plain = to_plain(payload)
    assert (plain["type"], plain["message"]) == ("ValueError", f"no such token: {HIDDEN}")
    assert "in test_a_failure_is_shown" in plain["traceback"]
    assert codec.redactor.found(payload.preview.encode()) == []
    assert str(codec.decode(payload).inner_exception) == f"no such token: {SECRET}"


def test_a_failure_is_hidden_whole_if_that_cannot_be_done(codec):
    codec.redactor.learn(["message"])
    assert to_plain(codec.encode(ValueError(SECRET))) == HIDDEN


def test_a_sealed_value_needs_its_key(codec):
    with pytest.raises(CodecError, match="A stored value was encrypted with key"):
        Codec("pkl", b"another").decode(codec.encode(SECRET))


def test_guarding_by_what_another_redactor_knows():
    codec = Codec("json", b"key")
    payload = codec.encode({"token": SECRET})
    assert codec.guard(payload) is payload
    sealed = codec.guard(payload, Redactor([SECRET]))
    assert sealed.encoding == "sealed"
    assert codec.guard(sealed, Redactor([SECRET])) is sealed
    assert codec.unsealed(sealed) == payload


def test_a_preview_that_tells_more_than_the_value_is_hidden(codec):
    payload = codec.guard(Payload(b"opaque", "dill", f"m.Odd Odd({SECRET})"))
    assert (payload.encoding, to_plain(payload)) == ("sealed", HIDDEN)
    assert codec.unsealed(payload).preview.endswith(f"Odd({SECRET})")
