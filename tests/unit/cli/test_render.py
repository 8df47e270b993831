from datetime import UTC, datetime, timedelta

import pytest

from flux.cli.render import age, fields, put_json, table, took

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "59s"), (61, "1m"), (7300, "2h"), (200_000, "2d"), (-5, "0s")]
)
def test_an_age_has_one_unit(seconds, text):
    assert age(START, START + timedelta(seconds=seconds)) == text


def test_durations():
    assert took(START, START + timedelta(milliseconds=12)) == "12ms"
    assert took(START, START + timedelta(seconds=12)) == "12.0s"
    assert took(START, None) == ""


def test_rows_are_aligned_and_stay_one_line(capsys):
    table(("a", "b"), [("x", "two\nlines"), ("longer", {"k": 1})])
    assert capsys.readouterr().out == 'A       B\nx       two⏎lines\nlonger  {"k": 1}\n'


def test_empty_fields_are_left_out(capsys):
    fields({"name": "x", "none": None, "empty": {}, "zero": 0})
    assert capsys.readouterr().out == "name  x\nzero  0\n"


def test_json_keeps_umlauts_and_takes_what_it_must(capsys):
    put_json({"ü": START})
    assert "ü" in capsys.readouterr().out
