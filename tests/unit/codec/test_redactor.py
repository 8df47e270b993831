"""Whatever way a secret is written, it is found and hidden; what is not one is left alone."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flux.codec import HIDDEN, Redactor

FORMS = {
    "plain": lambda value: value,
    "json": json.dumps,
    "json unicode": lambda value: json.dumps(value, ensure_ascii=False),
    "json in json": lambda value: json.dumps(json.dumps({"k": value})),
    "slashes escaped": lambda value: json.dumps(value, ensure_ascii=False).replace("/", "\\/"),
    "repr": repr,
    "repr of bytes": lambda value: repr(value.encode()),
    "url": lambda value: quote(value, safe=""),
    "url path": quote,
    "url form": quote_plus,
    "url lower case": lambda value: "".join(
        f"%{byte:02x}" if part == "%" else part for part, byte in _url_parts(value)
    ),
    "json in url": lambda value: quote_plus(json.dumps(value)),
}


def _url_parts(value):
    for byte in value.encode():
        text = quote(bytes([byte]), safe="")
        yield ("%", byte) if text.startswith("%") else (text, byte)


texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=6, max_size=40).filter(
    lambda text: len(text.strip()) >= 6
)


def _around(form, before, after):
    return f"{before}{form}{after}"


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=15, deadline=None)
@given(value=texts)
@example(value='p"a\\ss/w\u00f6rd\n%&+ x')
@example(value="\U0001f511 key <&> 'quoted'")
def test_each_form_is_found_and_hidden(form, value):
    redactor = Redactor([value])
    text = f"before {FORMS[form](value)} after"
    assert redactor.found(text.encode()) == [value]
    hidden = redactor.redact(text)
    assert HIDDEN in hidden
    assert redactor.found(hidden.encode()) == []


@settings(max_examples=30, deadline=None)
@given(value=texts, before=st.binary(max_size=7), after=st.binary(max_size=7), safe=st.booleans())
def test_base64_is_found_wherever_the_value_stands_in_it(value, before, after, safe):
    redactor = Redactor([value])
    encode = base64.urlsafe_b64encode if safe else base64.b64encode
    once = encode(before + value.encode() + after)
    twice = encode(before + once + after)
    for data in (once, twice):
        assert redactor.found(b'{"v":"%s"}' % data) == [value]
        # The letters around it carry bits of it as well: none of the word is left.
        assert redactor.redact(f"v={data.decode()}; w") in (f"v={HIDDEN}; w", f"{HIDDEN}; w")


@settings(max_examples=30, deadline=None)
@given(value=texts, before=st.binary(max_size=4))
def test_base64_of_json_is_found(value, before):
    inside = before + json.dumps({"k": value}).encode()
    assert Redactor([value]).found(base64.b64encode(inside)) == [value]


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet="abcdefgh", min_size=6, max_size=8), st.text(alphabet="stuvwxyz \n", max_size=60))
def test_what_does_not_contain_it_is_left_alone(value, text):
    redactor = Redactor([value])
    assert redactor.found(text.encode()) == []
    assert redactor.redact(text) == text


@pytest.mark.parametrize("value", ["", "12345", "  12  \n", "     \n    "])
def test_what_is_too_short_is_not_looked_for(value):
    redactor = Redactor([value])
    assert not redactor.active
    assert redactor.redact(f"a {value} b") == f"a {value} b"


def test_a_value_that_contains_another_is_hidden_whole():
    redactor = Redactor(["hunter2", "hunter2-extended"])
    assert redactor.redact("a hunter2-extended b hunter2 c") == f"a {HIDDEN} b {HIDDEN} c"


def test_lines_of_a_key_file_are_hidden_one_by_one():
    lines = ["MIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn", "ygWyF0jTnmzeuuH0hJAUKXJ8GhEXNXd"]
    redactor = Redactor(["-----BEGIN KEY-----\n" + "\n".join(lines) + "\n-----END KEY-----\n"])
    assert [redactor.redact(f"> {line}") for line in lines] == [f"> {HIDDEN}"] * 2
    assert redactor.redact("-----BEGIN KEY-----") == "-----BEGIN KEY-----"


def test_blanks_around_a_value_may_be_gone():
    redactor = Redactor(["hunter2-token\n"])
    assert redactor.redact("Bearer hunter2-token.") == f"Bearer {HIDDEN}."


def test_values_are_learned_and_kept():
    redactor = Redactor()
    redactor.learn(["first-one"])
    redactor.learn(["second-one", "first-one"])
    assert redactor.found(b"first-one second-one") == ["first-one", "second-one"]


def test_plain_json_keeps_its_shape():
    redactor = Redactor(["12345678", "hunter2"])
    plain = {"a": ["hunter2", 1, None, 3.5, True], "hunter2": {"n": 123456789, "m": 1234}}
    assert redactor.redacted(plain) == {"a": [HIDDEN, 1, None, 3.5, True], HIDDEN: {"n": HIDDEN, "m": 1234}}
