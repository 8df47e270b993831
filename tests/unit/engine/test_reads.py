from __future__ import annotations

import os
import time
import uuid

import pytest

from flux.engine.reads import CLOCK, OUTSIDE, RANDOM, direct_reads, looks_like_time, reads_in


@pytest.mark.parametrize(
    ("source", "text", "remedy"),
    [
        ("datetime.now()", "datetime.now()", CLOCK),
        ("datetime.datetime.utcnow()", "datetime.datetime.utcnow()", CLOCK),
        ("time.time()", "time.time()", CLOCK),
        ("random.choice([1])", "random.choice([1])", RANDOM),
        ("uuid.uuid4()", "uuid.uuid4()", RANDOM),
        ("secrets.token_hex()", "secrets.token_hex()", RANDOM),
        ("os.environ['HOME']", "os.environ['HOME']", OUTSIDE),
        ("os.environ.get('HOME')", "os.environ.get('HOME')", OUTSIDE),
        ("os.getenv('HOME')", "os.getenv('HOME')", OUTSIDE),
        ("open('rates.json')", "open('rates.json')", OUTSIDE),
    ],
)
def test_reads_are_found_with_their_remedy(source, text, remedy):
    (read,) = reads_in(f"async def f(ctx):\n    x = {source}\n", "/srv/f.py", 10)
    assert (read.text, read.remedy, read.path, read.line) == (text, remedy, "/srv/f.py", 11)


@pytest.mark.parametrize(
    "source",
    [
        *("await now()", "await uuid4()", "await choice([1])", "await randint(1, 2)", "ctx.now()", "random"),
        *("self.random.shuffle", "shop.open", "secrets['key']", "f()()", "time.sleep(1)"),
    ],
)
def test_what_replays_is_not_blamed(source):
    assert list(reads_in(f"async def f(ctx):\n    x = {source}\n")) == []


def test_a_function_is_read_where_it_stands():
    def body():
        return time.time(), uuid.uuid4(), os.getenv("HOME")

    found = direct_reads(body)
    assert [read.text for read in found] == ["time.time()", "uuid.uuid4()", "os.getenv('HOME')"]
    assert {read.line for read in found} == {body.__code__.co_firstlineno + 1}


def test_code_without_source_reads_nothing_that_is_known():
    names: dict[str, object] = {}
    exec("def typed(): return time.time()", names)
    assert direct_reads(names["typed"]) == ()


@pytest.mark.parametrize("value", ["2026-01-31", "2026-01-31 08:00", 1_769_846_400, 1_769_846_400.5, 1_769_846_400_000])
def test_times(value):
    assert looks_like_time(value)


@pytest.mark.parametrize("value", ["20", 7, True, None, "2026-13", 12_000_000, [1_769_846_400]])
def test_no_times(value):
    assert not looks_like_time(value)
