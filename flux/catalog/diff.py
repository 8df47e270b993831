"""What changed between two versions of a workflow, in short sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from flux.domain import WorkflowSpec

_PARTS = {"input_schema": "input schema", "output_schema": "output schema", "description": "description"}
_NAMED = 3


def changes(old: WorkflowSpec | None, new: WorkflowSpec | None, *, source_changed: bool = False) -> list[str]:
    """Sentences such as "+1 task (charge)" or "input schema changed"; none when nothing differs.

    Args:
        source_changed: the code differs, whether or not the specs show it.

    Example:
        >>> old, new = WorkflowSpec("shop", "order"), WorkflowSpec("shop", "order", tasks=("charge",))
        >>> changes(old, new), changes(None, new), changes(new, None)
        (['+1 task (charge)'], ['new'], ['removed'])
    """
    if old is None or new is None:
        return ["new"] if new is not None else ["removed"] if old is not None else []
    digests = ({"digest": "old"}, {"digest": "new"}) if source_changed else ({}, {})
    return describe_changes(asdict(old) | digests[0], asdict(new) | digests[1])


def describe_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """`changes` of two workflows as mappings, with the fields of `WorkflowSpec` and a `digest`."""
    found = [*_tasks(old.get("tasks") or (), new.get("tasks") or ()), *_parts(old, new), *_options(old, new)]
    if not found and old.get("digest") != new.get("digest"):
        return ["source changed"]
    return found


def _tasks(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    for sign, names in (("+", [one for one in new if one not in old]), ("-", [one for one in old if one not in new])):
        if names:
            shown = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
            yield f"{sign}{len(names)} {'task' if len(names) == 1 else 'tasks'} ({shown})"


def _parts(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name, shown in _PARTS.items():
        if (old.get(name) or None) != (new.get(name) or None):
            yield f"{shown} changed"


def _options(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before, after = old.get("options") or {}, new.get("options") or {}
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield f"{name} {_value(before.get(name))} → {_value(after.get(name))}"


def _value(value: Any) -> str:
    text = "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 24 else text[:23] + "…"
