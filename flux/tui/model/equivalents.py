"""The command line and the HTTP call behind each action of the dashboard."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from flux.tui.model.format import short_id


@dataclass(frozen=True, slots=True)
class Equivalent:
    """One action in the two other ways to do it.

    Example:
        >>> print(cancel("7f3a91c2d4").cli)
        flux execution cancel 7f3a91c2d4
    """

    cli: str
    http: str
    body: Any = None
    has_body: bool = False

    def curl(self, base_url: str) -> str:
        """The HTTP call as a line for a shell."""
        method, _, path = self.http.partition(" ")
        body = f" --json {shlex.quote(json.dumps(self.body, ensure_ascii=False))}" if self.has_body else ""
        return f"curl -X {method} {shlex.quote(base_url.rstrip('/') + path)}{body}"


def _json(value: Any) -> str:
    return shlex.quote(json.dumps(value, ensure_ascii=False, default=str))


def cancel(execution_id: str) -> Equivalent:
    """Cancel an execution."""
    return Equivalent(f"flux execution cancel {execution_id}", f"POST /executions/{execution_id}/cancel")


def resume(execution_id: str, value: Any, wait: str) -> Equivalent:
    """Answer a wait."""
    option = f" --wait {shlex.quote(wait)}" if wait else ""
    query = f"?wait={quote(wait, safe='')}" if wait else ""
    return Equivalent(
        f"flux execution resume {execution_id} {_json(value)}{option}",
        f"POST /executions/{execution_id}/resume{query}",
        value,
        True,
    )


def run(ref: str, value: Any) -> Equivalent:
    """Start a workflow."""
    return Equivalent(f"flux workflow run {ref} {_json(value)}", f"POST /workflows/{ref}/run/async", value, True)


def show(execution_id: str) -> Equivalent:
    """Look at an execution."""
    return Equivalent(f"flux execution show {execution_id}", f"GET /executions/{execution_id}?detailed=true")


def describe_id(execution_id: str) -> str:
    """An id as it stands in sentences."""
    return short_id(execution_id)
