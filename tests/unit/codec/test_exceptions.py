import enum
import json
import threading
import typing

import pydantic
import pydantic_core
import pytest

from flux.codec import Codec, to_plain
from flux.codec.exceptions import traceback_of
from flux.errors import ExecutionError, ExecutionTimeoutError, InvalidInputError, RetryError

KEY = b"key of the tests"
codec = Codec("pkl", KEY)


def test_a_long_traceback_is_cut_between_lines():
    try:
        raise ValueError("\n".join(f"line {number:05}" for number in range(5000)))
    except ValueError as error:
        first, second, *_, last = traceback_of(error).splitlines()
    assert (first, len(second), last) == ("…", 10, "line 04999")


class PaymentRefused(Exception):
    def __init__(self, amount, *, reason):
        super().__init__(f"{amount} refused: {reason}")
        self.amount = amount
        self.reason = reason


class Missing(FileNotFoundError):
    def __init__(self, path):
        super().__init__(2, "is not there", path)


class Picky(ValueError):
    def __new__(cls, *, code):
        return super().__new__(cls, code)

    def __init__(self, *, code):
        super().__init__(code)
        self.code = code


class Unreadable(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class Code(enum.Enum):
    A = 1


def carried(error):
    payload = codec.encode(error)
    assert payload.encoding == "json"
    return codec.decode(payload)


def raised(error, cause=None):
    try:
        raise error from cause
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no", 2, (3,)),
        ValueError(),
        KeyError("k"),
        OSError(13, "denied", "/etc/x"),
        OSError(18, "cross", "a", None, "b"),
        OSError("text only"),
        FileNotFoundError(2, "none", "f"),
        ConnectionResetError(104, "reset"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        StopIteration(3),
        SystemExit(2),
        ImportError("no module"),
        SyntaxError("bad", ("f.py", 1, 2, "x", 1, 3)),
        TimeoutError(),
        PaymentRefused(3.5, reason="limit"),
        Missing("/x"),
        Picky(code=Code.A),
    ],
    ids=repr,
)
def test_type_arguments_and_attributes_come_back(error):
    back = carried(error)
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert back.args == error.args
    assert {name: item for name, item in vars(back).items() if name != "__traceback_text__"} == vars(error)
    for name in ("errno", "strerror", "filename", "filename2", "value", "code", "reason", "object", "lineno"):
        assert getattr(back, name, None) == getattr(error, name, None)


def test_groups():
    back = carried(ExceptionGroup("many", [ValueError(1), PaymentRefused(2, reason="r")]))
    assert isinstance(back, ExceptionGroup)
    assert [type(inner) for inner in back.exceptions] == [ValueError, PaymentRefused]
    assert back.exceptions[1].reason == "r"


def test_causes_notes_and_tracebacks():
    error = raised(ValueError("outer"), raised(KeyError("inner"), OSError(1, "root")))
    error.add_note("seen at the gate")
    back = carried(error)
    assert [type(back.__cause__), type(back.__cause__.__cause__)] == [KeyError, PermissionError]
    assert back.__notes__ == ["seen at the gate"]
    plain = to_plain(codec.encode(back))
    assert "raise error from cause" in plain["traceback"]
    assert plain["traceback"].endswith("ValueError: outer\n")
    assert plain["cause"]["type"] == "KeyError"
    assert plain["cause"]["cause"]["message"] == "[Errno 1] root"


def test_a_second_trip_changes_nothing():
    error = raised(PaymentRefused(1, reason="x"), ValueError("cause"))
    first = codec.encode(error)
    assert codec.encode(codec.decode(first)).data == first.data


def test_errors_of_tasks():
    inner = raised(PaymentRefused(3, reason="limit"))
    error = ExecutionError(RetryError(inner, 3, 1.0, 2.0))
    back = carried(error)
    assert type(back) is ExecutionError
    assert str(back) == str(error)
    retry = back.inner_exception
    assert (type(retry), retry.attempts, retry.delay, retry.backoff) == (RetryError, 3, 1.0, 2.0)
    assert retry.inner_exception.amount == 3
    assert back.__cause__ is retry
    assert retry.__cause__ is retry.inner_exception


def test_errors_of_time_and_of_input():
    late = carried(ExecutionTimeoutError("Task", "charge", "charge_1", 2.5))
    assert (late.type, late.name, late.id, late.timeout) == ("Task", "charge", "charge_1", 2.5)
    assert str(late) == "Task charge (charge_1) timed out (2.5s)."
    error = InvalidInputError(errors=[{"loc": ["amount"], "msg": "too much"}])
    back = carried(error)
    assert (type(back), list(back.errors), str(back)) == (InvalidInputError, list(error.errors), str(error))
    assert to_plain(codec.encode(error))["errors"] == [{"loc": ["amount"], "msg": "too much"}]


def test_hints_come_back():
    assert carried(InvalidInputError("no", hint="say yes")).hint == "say yes"


def test_the_plain_form_is_of_the_users_own_error():
    plain = to_plain(codec.encode(ExecutionError(raised(PaymentRefused(3, reason="limit")))))
    assert plain["type"] == "PaymentRefused"
    assert plain["message"] == "3 refused: limit"
    assert "Traceback" in plain["traceback"]


def test_what_cannot_be_stored_of_an_error_becomes_text():
    error = ValueError(lambda: None, 1)
    error.lock = object()
    error.code = Code.A
    back = carried(error)
    assert back.args[0].startswith("<function")
    assert back.args[1] == 1
    assert back.lock.startswith("<object")
    assert back.code is Code.A


def test_an_error_without_a_readable_text():
    back = carried(Unreadable(1))
    assert type(back) is Unreadable
    assert to_plain(codec.encode(Unreadable(1)))["message"] == "<Unreadable without a readable text>"


def test_errors_that_stand_inside_themselves():
    error = ValueError("self")
    error.parent = error.root = error.__cause__ = error
    back = carried(error)
    assert (back.parent, back.root, back.__cause__) == ("self", "self", None)
    first, second = ValueError(1), ValueError(2)
    first.__cause__, second.__cause__ = second, first
    assert carried(first).__cause__.args == (2,)


def test_long_chains_are_cut():
    error = ValueError(0)
    for number in range(1, 1000):
        error = raised(ValueError(number), error)
    back, depth = carried(error), 0
    while back is not None:
        back, depth = back.__cause__, depth + 1
    assert depth == 11


def test_a_type_that_is_gone_leaves_one_of_its_name():
    class Local(Exception):
        def __init__(self, amount):
            super().__init__(f"local {amount}")
            self.amount = amount

    back = carried(raised(Local(3)))
    assert (type(back).__name__, str(back), back.amount) == ("Local", "local 3", 3)
    assert isinstance(back, ExecutionError)
    again = carried(back)
    assert (type(again).__name__, str(again), again.amount) == ("Local", "local 3", 3)
    assert to_plain(codec.encode(again))["traceback"].endswith("Local: local 3\n")


def test_parts_of_types_that_are_gone_do_not_hide_the_error():
    error = ValueError("no")
    error.code = Code.A
    payload = codec.encode(error)
    gone = type(payload)(payload.data.replace(b":Code", b":Gone"))
    assert codec.decode(gone).code == 1


def test_errors_inside_values():
    back = carried({"results": [ValueError("x"), (1, ExecutionError(KeyError("k")))]})
    assert type(back["results"][0]) is ValueError
    assert type(back["results"][1][1].inner_exception) is KeyError


def test_nothing_else_is_made_of_a_stored_exception():
    payload = codec.encode(ValueError("x"))
    odd = type(payload)(payload.data.replace(b"builtins:ValueError", b"builtins:print"))
    assert isinstance(codec.decode(odd), ExecutionError)


def test_what_was_handled_meanwhile_comes_back_where_nothing_caused_it():
    def fails(cause):
        try:
            try:
                raise KeyError("first")
            except KeyError:
                raise ValueError("second") from cause
        except ValueError as error:
            return error

    def fails_meanwhile():
        try:
            try:
                raise KeyError("first")
            except KeyError:
                raise ValueError("second")  # noqa: B904  # the context is the point
        except ValueError as error:
            return error

    back = carried(fails_meanwhile())
    assert (type(back.__context__), back.__cause__, back.__suppress_context__) == (KeyError, None, False)
    assert to_plain(codec.encode(back))["context"]["message"] == "'first'"
    assert carried(fails(None)).__context__ is None
    caused = carried(fails(OSError("root")))
    assert (type(caused.__cause__), caused.__context__) == (OSError, None)


class Person(pydantic.BaseModel):
    name: str
    age: int = 0
    colour: typing.Literal["red", "blue"] = "red"

    @pydantic.field_validator("age")
    @classmethod
    def plausible(cls, age):
        if age > 150:
            raise ValueError("older than {anybody}")
        if age < 0:
            raise pydantic_core.PydanticCustomError("unborn", "not born for {years} years", {"years": -age})
        return age


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"name": 1, "colour": "green", "age": "x"},
        {"name": "x", "age": 200},
        {"name": "x", "age": -3},
        {"name": [{"deep": (1, 2)}]},
        5,
    ],
    ids=repr,
)
@pytest.mark.parametrize("mode", ["python", "json"])
def test_errors_of_validation_are_pydantics_own(data, mode):
    with pytest.raises(pydantic.ValidationError) as caught:
        Person.model_validate(data) if mode == "python" else Person.model_validate_json(json.dumps(data))
    back = carried(caught.value)
    assert type(back) is pydantic.ValidationError
    assert without_links(str(back)) == without_links(str(caught.value))
    assert (back.title, back.error_count(), back.args) == ("Person", caught.value.error_count(), ())
    for found, expected in zip(back.errors(), caught.value.errors(), strict=True):
        assert {name: found[name] for name in ("type", "loc", "msg", "input")} == {
            name: expected[name] for name in ("type", "loc", "msg", "input")
        }
        assert repr(found.get("ctx")) == repr(expected.get("ctx"))
    assert codec.encode(back).data == codec.encode(codec.decode(codec.encode(back))).data


def without_links(text):
    return [line for line in text.splitlines() if "errors.pydantic.dev" not in line]


def test_inputs_that_cannot_be_stored_are_text_in_errors_of_validation():
    lock = threading.Lock()
    with pytest.raises(pydantic.ValidationError) as caught:
        Person.model_validate({"name": lock})
    back = carried(caught.value)
    assert back.errors()[0]["type"] == "string_type"
    assert back.errors()[0]["input"] == str(lock)
