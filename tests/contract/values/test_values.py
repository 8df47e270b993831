"""What a value is, it stays: inline, on an embedded worker and on a remote one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from flux.cli.loading import load_file
from flux.codec import Codec, to_plain
from flux.domain import ExecutionEventType
from flux.errors import InvalidInputError

E = ExecutionEventType
FLOWS = load_file(Path(__file__).with_name("value_flows.py"))
pytestmark = pytest.mark.asyncio(loop_scope="module")


def each(names):
    """Parameters for these values; data frames only where pandas is installed."""
    missing = pytest.mark.skipif(find_spec("pandas") is None, reason="pandas is not installed")
    marked = [pytest.param(name, marks=missing if name == "data-frame" else ()) for name in names]
    return pytest.mark.parametrize("name", marked)


@each(FLOWS.VALUES)
async def test_outputs_arguments_and_what_pauses_show(way, name):
    expected = FLOWS.value_of(name)
    shown = await way.start("carry", name)
    assert shown.is_paused, shown.output
    assert FLOWS.same(shown.output, expected)
    done = await way.answer(shown)
    assert done.has_succeeded, done.output
    assert FLOWS.same(done.output, expected)
    values = {(event.type, event.name): event.value for event in done.events}
    assert FLOWS.same(values[E.TASK_COMPLETED, "make"], expected)
    assert FLOWS.same(values[E.TASK_STARTED, "echo"]["value"], expected)
    assert FLOWS.same(values[E.TASK_COMPLETED, "echo"], expected)


@pytest.mark.parametrize("name", FLOWS.ERRORS)
async def test_exceptions_of_tasks(way, name):
    done = await way.answer(await way.start("fails", name))
    assert done.has_failed
    assert FLOWS.same(done.output.inner_exception, FLOWS.value_of(name))
    assert "value_flows.py" in done.output.inner_exception.__traceback_text__


@pytest.mark.parametrize("name", FLOWS.TYPED)
async def test_inputs_with_a_type(way, name):
    done = await way.answer(await way.start(f"take-{name}", FLOWS.value_of(name)))
    assert done.has_succeeded, done.output
    assert FLOWS.same(done.output, FLOWS.value_of(name))


@pytest.mark.parametrize("name", FLOWS.TYPED)
async def test_answers_with_a_type(way, name):
    again = await way.answer(await way.start("ask", name), FLOWS.value_of(name))
    assert again.is_paused, again.output
    done = await way.answer(again)
    assert done.has_succeeded, done.output
    assert FLOWS.same(done.output, FLOWS.value_of(name))


@pytest.mark.parametrize("way", ["inline"], indirect=True)
class TestValuesOfPython:
    """Handed over in this process they need no type."""

    @each([*FLOWS.UNTYPED, *FLOWS.ERRORS])
    async def test_inputs(self, way, name):
        done = await way.answer(await way.start("take", FLOWS.value_of(name)))
        assert FLOWS.same(done.output, FLOWS.value_of(name))
        assert FLOWS.same(done.input, FLOWS.value_of(name))

    @each([*FLOWS.UNTYPED, *FLOWS.ERRORS])
    async def test_answers(self, way, name):
        done = await way.answer(await way.answer(await way.start("ask", name), FLOWS.value_of(name)))
        assert done.has_succeeded, done.output
        assert FLOWS.same(done.output, FLOWS.value_of(name))

    @pytest.mark.parametrize("name", FLOWS.TYPED)
    async def test_plain_json_is_read_as_over_http(self, way, name):
        plain = to_plain(Codec().encode(FLOWS.value_of(name)))
        done = await way.answer(await way.start(f"take-{name}", plain))
        assert FLOWS.same(done.output, FLOWS.value_of(name))


BAD = {
    "date": ("2026-02-30", [[]]),
    "uuid": ("no", [[]]),
    "enum": ("green", [[]]),
    "tuple": ([1], [[1]]),
    "dataclass": ({"article": "tea", "amount": "much"}, [["amount"]]),
    "nested": ({"id": "x", "lines": [{"article": 1, "amount": 1}]}, [["id"], ["lines", 0, "article"]]),
    "model": ({"name": 1}, [["name"], ["born"]]),
    "strict": ({"when": 5, "tags": "x"}, [["when"], ["tags"]]),
    "generic": ({"items": [{"name": "x", "born": "no"}]}, [["items", 0, "born"]]),
    "list-of-models": ([{"name": "x", "born": "2020-01-01"}, {"born": 1.5}], [[1, "name"], [1, "born"]]),
    "optional": ({"name": "x"}, [["born"]]),
    "typed-dict": ({"street": 1}, [["street"], ["since"]]),
    "annotated": (3, [[]]),
    "annotated-inside": ([2, 3], [[1]]),
    "literal": ("c", [[]]),
}


@pytest.mark.parametrize("name", BAD)
async def test_wrong_inputs_are_refused_before_anything_runs(way, name):
    value, places = BAD[name]
    before = await way.count()
    with pytest.raises(InvalidInputError) as caught:
        await way.start(f"take-{name}", value)
    assert await way.count() == before
    assert [error["loc"] for error in caught.value.errors] == places
    assert all(error["msg"] and error["type"] for error in caught.value.errors)


@pytest.mark.parametrize("name", BAD)
async def test_wrong_answers_are_refused_and_the_pause_stays_open(way, name):
    value, places = BAD[name]
    asked = await way.start("ask", name)
    with pytest.raises(InvalidInputError) as caught:
        await way.answer(asked, value)
    assert [error["loc"] for error in caught.value.errors] == places
    again = await way.answer(asked, FLOWS.value_of(name))
    assert again.is_paused, again.output
