"""Changes in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flux.catalog.diff import changes, describe_changes
from flux.domain import WorkflowSpec

SPEC = WorkflowSpec("shop", "order", tasks=("load",), input_schema={"type": "string"}, options={"timeout": 1.0})
DETAIL = {"tasks": ["load"], "input_schema": {"type": "string"}, "options": {"timeout": 1}, "digest": "a"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, []),
        ({"tasks": ("load", "charge")}, ["+1 task (charge)"]),
        ({"tasks": ()}, ["-1 task (load)"]),
        ({"tasks": ("load", *"abcd")}, ["+4 tasks (a, b, c, …)"]),
        ({"input_schema": None}, ["input schema changed"]),
        ({"output_schema": {}}, []),
        ({"output_schema": {"type": "string"}}, ["output schema changed"]),
        ({"description": "New."}, ["description changed"]),
        ({"options": {"timeout": 2.5, "durability": "relaxed"}}, ["durability none → relaxed", "timeout 1 → 2.5"]),
        ({"line": 7, "attribute": "other"}, []),
    ],
)
def test_each_difference_is_a_short_sentence(change, words):
    assert changes(SPEC, replace(SPEC, **change)) == words


def test_new_and_removed():
    assert changes(None, SPEC) == ["new"]
    assert changes(SPEC, None) == ["removed"]
    assert changes(None, None) == []


def test_the_source_is_named_only_when_nothing_else_shows():
    assert changes(SPEC, SPEC, source_changed=True) == ["source changed"]
    assert changes(SPEC, replace(SPEC, tasks=()), source_changed=True) == ["-1 task (load)"]


def test_details_of_the_api_are_compared_the_same_way():
    assert describe_changes(DETAIL, DETAIL) == []
    assert describe_changes(DETAIL, {**DETAIL, "digest": "b"}) == ["source changed"]
    new = {"tasks": ["clean", "save"], "input_schema": None, "options": {"timeout": 2}, "digest": "b"}
    assert describe_changes(DETAIL, new) == [
        "+2 tasks (clean, save)",
        "-1 task (load)",
        "input schema changed",
        "timeout 1 → 2",
    ]
