"""Endless output becomes a bounded number of lines."""

from __future__ import annotations

from flux.clock import SystemClock
from flux.domain import LogLine
from flux.testing import FakeClock
from flux.worker.capture import Capture
from flux.worker.metering import LineBuffer, Meter, OutputLimits

LIMITS = OutputLimits(burst=3, rate=2, line=10)


def test_an_empty_bucket_stays_shut_for_a_second():
    meter = Meter(LIMITS, now=0.0)
    assert meter.take(5, 0.0) == 3
    assert meter.take(1, 0.5) == 0
    assert not meter.is_open(0.9)
    assert meter.is_open(1.0)
    assert meter.settle() == 3
    assert meter.take(1, 1.0) == 1


def test_a_bucket_refills_up_to_its_burst():
    meter = Meter(LIMITS, now=0.0)
    meter.take(3, 0.0)
    assert meter.take(100, 1_000.0) == 3


def everything(count: int) -> int:
    return count


def test_lines_are_put_together_over_writes():
    buffer = LineBuffer(limit=100)
    assert buffer.feed("a", everything) == []
    assert buffer.feed("b\nc\r\n\nd", everything) == ["ab", "c", ""]
    assert buffer.rest() == "d"
    assert buffer.rest() == ""


def test_refused_lines_leave_the_unfinished_one():
    buffer = LineBuffer(limit=100)
    buffer.feed("start ", everything)
    assert buffer.feed("one\ntwo\nthree\nrest", lambda count: 1) == ["start one"]
    assert buffer.rest() == "rest"


def captured(limits: OutputLimits = LIMITS) -> tuple[Capture, list[LogLine]]:
    lines: list[LogLine] = []
    return Capture(lines.extend, lambda seconds, call: None, SystemClock(), limits), lines


def test_the_first_line_goes_at_once_and_the_rest_in_a_batch():
    capture, lines = captured()
    capture.write("stdout", "one\n")
    assert [line.text for line in lines] == ["one"]
    capture.write("stdout", "two\n")
    capture.flush()
    assert [line.text for line in lines] == ["one", "two"]


def test_dropped_lines_are_told_in_the_end():
    capture, lines = captured()
    capture.write("stdout", "1\n2\n3\n4\n5\n")
    capture.finish("")
    assert [line.text for line in lines] == ["1", "2", "3", "… 2 lines dropped"]


def test_log_records_count_by_their_lines():
    capture, lines = captured()
    capture.log("ERROR", "shop", "a\nb\nc\nd")
    capture.flush_all()
    assert [(line.text, line.level) for line in lines][:3] == [("a", "ERROR"), ("b", "ERROR"), ("c", "ERROR")]
    assert lines[-1].text == "… 1 line dropped"


def test_lines_carry_the_time_of_the_clock():
    clock = FakeClock(start=7)
    lines: list[LogLine] = []
    Capture(lines.extend, lambda seconds, call: None, clock).write("stdout", "now\n")
    assert lines == [LogLine(7, "INFO", "stdout", "now")]
