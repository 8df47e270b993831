import asyncio
import io
import json
import logging

import pytest

from flux.observability import about, set_up


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def root():
    """The root logger, as it was afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


log = logging.getLogger("flux.test")


def _documents(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_text_on_a_terminal():
    stream = Terminal()
    set_up(stream=stream)
    with about(execution_id="3f2a"):
        log.info("claimed by %s", "gpu-1")
    line = stream.getvalue()
    assert line.endswith("  INFO     flux.test  claimed by gpu-1  execution_id=3f2a\n")


def test_json_elsewhere(root):
    stream = io.StringIO()
    root.handlers.clear()  # those of test runners cannot pass lone surrogates on
    set_up(stream=stream)
    with about(execution_id="3f2a"), about(task="charge"):
        log.warning("slow\nvery \ud800")
    log.info("other", extra={"execution_id": "b"})
    first, second = _documents(stream)
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "WARNING",
        "logger": "flux.test",
        "message": "slow\nvery \ud800",
        "execution_id": "3f2a",
        "task": "charge",
    }
    assert second["execution_id"] == "b"
    assert "task" not in second


def test_what_a_call_says_wins_over_what_surrounds_it():
    stream = io.StringIO()
    set_up(stream=stream)
    with about(execution_id="outer"):
        log.info("x", extra={"execution_id": "inner"})
    assert _documents(stream)[0]["execution_id"] == "inner"


@pytest.mark.parametrize("as_json", [True, False])
def test_tracebacks(as_json):
    stream = io.StringIO()
    set_up(stream=stream, as_json=as_json)
    try:
        raise ValueError("no")
    except ValueError:
        log.exception("failed")
    text = _documents(stream)[0]["traceback"] if as_json else stream.getvalue()
    assert "Traceback (most recent call last)" in text
    assert "ValueError: no" in text


def test_levels():
    stream = io.StringIO()
    set_up("WARNING", stream=stream)
    log.info("hidden")
    assert stream.getvalue() == ""


def test_setting_up_again_replaces():
    first, second = io.StringIO(), io.StringIO()
    set_up(stream=first)
    set_up(stream=second)
    log.info("once")
    assert first.getvalue() == ""
    assert len(_documents(second)) == 1


def test_clients_of_ours_are_quiet():
    stream = io.StringIO()
    set_up("DEBUG", stream=stream)
    logging.getLogger("httpx").info("GET …")
    assert stream.getvalue() == ""


async def test_concurrent_work_keeps_its_own_fields():
    stream = io.StringIO()
    set_up(stream=stream)
    both = asyncio.Barrier(2)

    async def work(name):
        with about(execution_id=name):
            await both.wait()
            log.info(name)

    await asyncio.gather(work("a"), work("b"))
    assert all(document["message"] == document["execution_id"] for document in _documents(stream))
