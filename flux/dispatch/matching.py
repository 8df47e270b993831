"""Which worker takes an execution: pure rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

COLD_PENALTY = 0.25
"""A worker without a warm runner of the version is chosen only if it is this much (of its slots) less loaded."""

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
_REPORTED = {
    "cpu": ("cpu_available", "cpu_total"),
    "memory": ("memory_total",),
    "disk": ("disk_free", "disk_total"),
    "gpu": ("gpus",),
}
"""Under which names workers report what a workflow asks for; the first one that is there counts."""

_SIZE = re.compile(r"^\s*([0-9.]+)\s*([KMGT]?I?)B?\s*$", re.IGNORECASE)
_PACKAGE = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:(==|>=|<=|>|<|!=)\s*([0-9][0-9A-Za-z.]*))?")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A worker as matching sees it.

    Attributes:
        free: how many more executions it can take now.
        warm: digests of the code versions it has runners for.
    """

    name: str
    slots: int
    free: int
    warm: frozenset[str] | set[str] = frozenset()
    resources: Mapping[str, float] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)


def choose(candidates: Iterable[Candidate], digest: str, requests: Mapping[str, Any] | None = None) -> str | None:
    """Name of the least loaded worker that fits; one that is warm for the digest is preferred.

    Example:
        >>> choose([Candidate("a", 10, 5), Candidate("b", 10, 4, {"d"})], "d")
        'b'
        >>> choose([Candidate("a", 10, 0)], "d") is None
        True
    """
    best: tuple[float, str] | None = None
    for one in candidates:
        if one.free <= 0 or (requests and not fits(one, requests)):
            continue
        load = 1 - one.free / one.slots + (0 if digest in one.warm else COLD_PENALTY)
        if best is None or (load, one.name) < best:
            best = (load, one.name)
    return best[1] if best else None


def fits(candidate: Candidate, requests: Mapping[str, Any]) -> bool:
    """Whether the worker has what a workflow's `ResourceRequest` (as plain values) asks for.

    A resource that the worker does not report counts as there: not all platforms can measure all of them.
    """
    for name, reported in _REPORTED.items():
        wanted = requests.get(name)
        have = next((candidate.resources[key] for key in reported if key in candidate.resources), None)
        if wanted is not None and have is not None and have < size(wanted):
            return False
    return all(_has_package(candidate.packages, str(text)) for text in requests.get("packages") or ())


def size(value: str | float) -> float:
    """A number, or text such as `512Mi`, in bytes; 0 for text that is no size.

    Example:
        >>> size("2Gi"), size("1.5K"), size(4)
        (2147483648.0, 1500.0, 4.0)
    """
    if not isinstance(value, str):
        return float(value)
    found = _SIZE.match(value)
    return float(found[1]) * _UNITS[found[2].upper()] if found else 0.0


def _has_package(packages: Mapping[str, str], text: str) -> bool:
    found = _PACKAGE.match(text)
    if found is None:
        return False
    have = {_canonical(name): version for name, version in packages.items()}.get(_canonical(found[1]))
    if have is None:
        return False
    return found[2] is None or _compare(_release(have), found[2], _release(found[3]))


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0]))[:4]


def _compare(have: Sequence[int], operator: str, wanted: Sequence[int]) -> bool:
    width = max(len(have), len(wanted))
    left, right = (tuple(one) + (0,) * (width - len(one)) for one in (have, wanted))
    results = {
        "==": left == right,
        "!=": left != right,
        ">=": left >= right,
        "<=": left <= right,
        ">": left > right,
        "<": left < right,
    }
    return results[operator]
