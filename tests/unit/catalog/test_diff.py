"""Changes in words."""

from __future__ import annotations

from flux.catalog.diff import describe_changes

OLD = {"tasks": ["load"], "input_schema": {"type": "string"}, "options": {"timeout": 1}, "digest": "a"}


def test_nothing_changed():
    assert describe_changes(OLD, OLD) == []


def test_only_the_code():
    assert describe_changes(OLD, {**OLD, "digest": "b"}) == ["code changed"]


def test_tasks_schemas_and_options():
    new = {"tasks": ["clean", "save"], "input_schema": None, "options": {"timeout": 2}, "digest": "b"}
    assert describe_changes(OLD, new) == [
        "+2 tasks (clean, save)",
        "-1 task (load)",
        "input schema changed",
        "timeout 1 → 2",
    ]
