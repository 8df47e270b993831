import io

import pytest

from flux.cli.inputs import parse_input
from flux.errors import UsageError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (None, None),
        ('{"a": [1, 2.5, true, null]}', {"a": [1, 2.5, True, None]}),
        ("42", 42),
        ('"quoted"', "quoted"),
        ("Joe", "Joe"),
        ("two words", "two words"),
        ("12abc", "12abc"),
        ("NaN", "NaN"),
        ("null", None),
        ("", ""),
        ("a@b", "a@b"),
    ],
)
def test_json_or_a_bare_word(text, value):
    assert parse_input(text) == value


@pytest.mark.parametrize("text", ['{"a": }', "[1, 2", '"open'])
def test_what_was_meant_as_json_is_refused_with_its_place(text):
    with pytest.raises(UsageError, match=r"INPUT is not valid JSON: .* line 1 column \d+"):
        parse_input(text)


def test_a_number_that_json_does_not_know_is_named():
    with pytest.raises(UsageError, match="NaN is no JSON value"):
        parse_input('{"a": NaN}')


def test_the_place_is_pointed_at():
    with pytest.raises(UsageError) as caught:
        parse_input('{\n "a": 1,\n "b" 2\n}')
    message = str(caught.value)
    assert "line 3 column 6" in message
    line, mark = message.splitlines()[1:]
    assert line[mark.index("^")] == "2"


def test_a_file_is_read(tmp_path):
    file = tmp_path / "in.json"
    file.write_text('{"a": 1}\n')
    assert parse_input(f"@{file}") == {"a": 1}
    file.write_text("{bad")
    with pytest.raises(UsageError, match=r"in\.json is not valid JSON"):
        parse_input(f"@{file}")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"Cannot read the input file '.*none\.json'"):
        parse_input(f"@{tmp_path}/none.json")


def test_a_dash_reads_stdin(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("[1]\n"))
    assert parse_input("-") == [1]
