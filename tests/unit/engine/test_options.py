"""What a task can be told, and what is refused when it is made."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flux import task, workflow
from flux.engine.options import TaskOptions, WorkflowOptions, changed
from flux.errors import UsageError


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("retry_max_attempts", -1),
        ("retry_max_attempts", 1.5),
        ("retry_max_attempts", True),
        ("retry_delay", -1),
        ("retry_delay", "1"),
        ("retry_backoff", float("nan")),
        ("timeout", -0.1),
        ("timeout", "5"),
        ("timeout", float("inf")),
        ("fallback", "later"),
        ("rollback", 3),
        ("secret_requests", "API_KEY"),
        ("secret_requests", [1]),
        ("config_requests", [""]),
        ("cache", 0),
        ("cache", -5),
        ("cache", timedelta(0)),
        ("cache", "yes"),
        ("metadata", 1),
        ("auth_exempt", "no"),
        ("output_storage", "/tmp"),
        ("name", " "),
        ("name", 7),
    ],
)
def test_wrong_values_are_refused_by_name(option, value):
    with pytest.raises(UsageError, match=option) as caught:
        task.with_options(**{option: value})
    assert caught.value.hint.startswith(f"{option} is ")


def test_unknown_options_are_refused_with_the_nearest_known_one():
    with pytest.raises(UsageError, match="no option 'retry_max_attempt'") as caught:
        task.with_options(retry_max_attempt=3)
    assert "'retry_max_attempts'" in caught.value.hint
    with pytest.raises(UsageError, match="no option 'risk'") as caught:
        task(len).with_options(risk="read")
    assert "retry_delay" in caught.value.hint


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("timeout", -1),
        ("secret_requests", "KEY"),
        ("output_storage", "/tmp"),
        ("requests", {"cpu": 2}),
        ("durability", "strong"),
        ("durability", 1),
        ("retries", 3),
    ],
)
def test_workflows_refuse_what_is_no_option_of_theirs(option, value):
    with pytest.raises(UsageError, match=option) as caught:
        workflow.with_options(**{option: value})
    assert "workflow" in str(caught.value).lower()


def test_the_older_spellings_of_durability():
    spellings = {
        name: WorkflowOptions(durability=name).durability for name in ("durable", "transient", "relaxed", None)
    }
    assert spellings == {"durable": "strict", "transient": "relaxed", "relaxed": "relaxed", None: "strict"}


def test_options_are_given_by_name():
    with pytest.raises(UsageError, match="without the name"):
        task.with_options(len)


def test_none_brings_a_default_back():
    options = TaskOptions(timeout=5, fallback=len, secret_requests=["A"], retry_delay=9)
    reset = changed(options, timeout=None, fallback=None, secret_requests=None)
    assert reset == TaskOptions(retry_delay=9)


def test_a_task_with_other_options_is_another_task():
    @task.with_options(name="first", timeout=5, retry_max_attempts=2)
    def load(x: int, **more: object) -> int:
        return x

    other = load.with_options(name=None, retry_max_attempts=None, metadata=True)
    assert (load.name, load.timeout, load.retry_max_attempts, load.metadata) == ("first", 5, 2, False)
    assert (other.name, other.timeout, other.retry_max_attempts, other.metadata) == ("load", 5, 0, True)
    assert other.func is load.func


@pytest.mark.parametrize(
    ("cache", "expected"), [(True, None), (1.5, 1_500_000), (timedelta(minutes=1), 60_000_000), (60, 60_000_000)]
)
def test_how_long_a_cached_result_counts(cache, expected):
    assert TaskOptions(cache=cache).cached_for == expected


@pytest.mark.parametrize(
    ("options", "parameter"),
    [({"metadata": True}, "metadata"), ({"secret_requests": ["A"]}, "secrets"), ({"config_requests": ["a"]}, "config")],
)
def test_a_function_takes_what_its_options_ask_for(options, parameter):
    def load(x): ...

    with pytest.raises(UsageError, match=f"no parameter '{parameter}'"):
        task.with_options(**options)(load)
    assert task.with_options(**options)(lambda x, **more: 0)


def yields():
    yield 1


async def streams():
    yield 1


@pytest.mark.parametrize(
    ("func", "message"),
    [
        (staticmethod(len), "above `@staticmethod`"),
        (classmethod(len), "above `@classmethod`"),
        (3, "cannot be called"),
        (yields, "one by one"),
        (streams, "one by one"),
    ],
)
def test_what_cannot_be_a_task_is_refused_where_it_is_defined(func, message):
    with pytest.raises(UsageError, match=message):
        task(func)


def test_options_in_the_wrong_place_are_shown_the_right_one():
    with pytest.raises(UsageError) as caught:
        task(timeout=5)
    assert "@task.with_options(timeout=…)" in caught.value.hint
    with pytest.raises(UsageError):
        task()


def test_attributes_that_are_no_options_are_missing():
    assert not hasattr(task(yields.__call__), "anything")
    with pytest.raises(AttributeError, match="no attribute 'anything'"):
        _ = task(len).anything
