"""What changed between two versions of a workflow, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def describe_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Short sentences for the differences of two versions, as `flux.wire.models.WorkflowDetail` shapes them.

    Example:
        >>> describe_changes({"tasks": ["load"], "source": "a"}, {"tasks": ["load", "clean"], "source": "b"})
        ['+1 task (clean)']
    """
    changes = [*_tasks(old, new)]
    for key, text in (("input_schema", "input schema changed"), ("output_schema", "output schema changed")):
        if old.get(key) != new.get(key):
            changes.append(text)
    changes += _options(old.get("options") or {}, new.get("options") or {})
    if not changes and (old.get("digest") != new.get("digest") or old.get("source") != new.get("source")):
        changes.append("code changed")
    return changes


def _tasks(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    before, after = list(old.get("tasks") or ()), list(new.get("tasks") or ())
    added = [name for name in after if name not in before]
    removed = [name for name in before if name not in after]
    counted = (("+", added), ("-", removed))
    return [f"{sign}{len(names)} task{'s' * (len(names) > 1)} ({', '.join(names)})" for sign, names in counted if names]


def _options(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [f"{key} {old.get(key)} → {new.get(key)}" for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
