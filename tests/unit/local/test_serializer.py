"""Local runs of who allows nothing but JSON."""

import pytest

from flux import workflow
from flux.errors import CodecError
from flux.tasks import pause


class Plain:
    """Only dill carries it."""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FLUX_HOME", str(tmp_path))
    monkeypatch.setenv("FLUX_SERIALIZER", "json")


@workflow
async def ask(ctx):
    return await pause("ask")


def test_inputs_are_refused():
    with pytest.raises(CodecError, match=r"^\$\.a\[0\] is a .*Plain, which JSON cannot carry"):
        ask.run({"a": [Plain()]})


def test_answers_are_refused_and_the_pause_stays_open():
    paused = ask.run({"a": [1]})
    with pytest.raises(CodecError, match=r"^\$\[1\] is a .*Plain, which JSON cannot carry"):
        ask.resume(paused.execution_id, (1, Plain()))
    assert ask.resume(paused.execution_id, (1, 2)).output == (1, 2)
