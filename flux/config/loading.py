"""Settings from all sources: merged, checked, explained."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from flux.config.settings import ALIASES, SECRET_KEYS, Settings, known_keys, sections
from flux.config.sources import Given, from_environment, from_flags, from_flux_toml, from_pyproject
from flux.errors import ConfigurationError

HIDDEN = "•••"

log = logging.getLogger("flux.config")

process_overrides: dict[str, Any] = {}
"""What this process set through `Configuration.override`: stronger than the environment, weaker than flags."""

_warned: set[tuple[str, str]] = set()

_ALLOWED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "string_type": "text in quotes",
    "list_type": "a list",
    "dict_type": "a table",
}


@dataclass(frozen=True, slots=True)
class Origin:
    """One setting in force.

    Attributes:
        key: dotted. value: `•••` for a secret that is set. source: "default", "flag",
            "environment FLUX_HOME", "flux.toml", "pyproject.toml [tool.flux]".
    """

    key: str
    value: Any
    source: str


def load_settings(overrides: Mapping[str, Any] = {}) -> Settings:
    """The settings in force: flags, environment, `flux.toml`, `pyproject.toml`, defaults, strongest first.

    Args:
        overrides: flags, by dotted key or nested; None means not given.

    Raises `ConfigurationError` that names the key, where its value comes from and what is allowed. Unknown
    keys are logged as warnings, each once per process.

    Example:
        >>> load_settings({"workers.retry_attempts": 5}).workers.retry_attempts
        5
    """
    return _settings(_chosen(overrides))


def origins(overrides: Mapping[str, Any] = {}) -> list[Origin]:
    """Every setting with its value and where that came from; raises like `load_settings`."""
    chosen = _chosen(overrides)
    settings = _settings(chosen)
    return [_origin(key, settings, chosen.get(key)) for key in known_keys()]


def _origin(key: str, settings: Settings, given: Given | None) -> Origin:
    value: Any = settings
    for name in key.split("."):
        value = getattr(value, name)
    shown = HIDDEN if key in SECRET_KEYS and value else value
    return Origin(key, shown, given.source if given else "default")


def _chosen(overrides: Mapping[str, Any]) -> dict[str, Given]:
    """The strongest value given for each known key."""
    leaves, folder = known_keys(), Path.cwd()
    chosen: dict[str, Given] = {}
    for layer in (
        from_flags(overrides, leaves),
        from_flags(process_overrides, leaves, "Configuration.override"),
        from_environment(os.environ, leaves),
        from_flux_toml(folder, leaves),
        from_pyproject(folder, leaves),
    ):
        for given in layer:
            key = ALIASES.get(given.key, given.key)
            if key in leaves:
                chosen.setdefault(key, given)
            else:
                _refuse_or_warn(given, leaves)
    return chosen


def _refuse_or_warn(given: Given, leaves: Mapping[str, Any]) -> None:
    if given.key in sections():
        raise ConfigurationError(f"{given.key} ({given.source}) is a group of settings, not a single value.")
    if (given.source, given.key) not in _warned:
        _warned.add((given.source, given.key))
        log.warning("unknown setting %s (%s)%s", given.key, given.source, _suggestion(given.key, list(leaves)))


def _suggestion(key: str, leaves: Sequence[str]) -> str:
    """The nearest known key: by its whole name, else by its last part."""
    if key.startswith("["):
        name = key.strip("[]")
        inside = [f"[flux.{section}]" for section in difflib.get_close_matches(name, sections(), 1)]
        inside += [f"{leaf} below [flux]" for leaf in difflib.get_close_matches(name, leaves, 1)]
        return f": did you mean {inside[0]}?" if inside else ": settings stand below [flux]"
    near = difflib.get_close_matches(key, [*leaves, *sections()], 1, 0.7)
    if not near:
        ends = {leaf.rpartition(".")[2]: leaf for leaf in reversed(leaves)}
        near = [ends[end] for end in difflib.get_close_matches(key.rpartition(".")[2], ends, 1, 0.75)]
    near = near or difflib.get_close_matches(key, leaves, 1, 0.4)
    return f": did you mean {near[0]}?" if near else ""


def _settings(chosen: Mapping[str, Given]) -> Settings:
    try:
        return Settings.model_validate(_nested({key: given.value for key, given in chosen.items()}))
    except ValidationError as error:
        problems = error.errors(include_url=False)
        raise ConfigurationError(
            " ".join(_problem(problem["loc"], problem["type"], problem["msg"], chosen) for problem in problems),
            hint="`flux config show --origin` shows the settings in force and where they come from.",
        ) from None


def _problem(loc: tuple[int | str, ...], kind: str, message: str, chosen: Mapping[str, Given]) -> str:
    """One wrong value as a sentence: key, source, what is allowed."""
    names = [str(part) for part in loc]
    dotted = [".".join(names[:count]) for count in range(len(names), 0, -1)]
    key = next((name for name in dotted if name in chosen), dotted[0])
    given = chosen.get(key)
    value = "a secret" if key in SECRET_KEYS else repr(given.value if given else None)
    allowed = _ALLOWED.get(kind) or message.removeprefix("Input should be ")
    return f"{key} is {value} ({given.source if given else 'default'}); allowed: {allowed}."


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for key, value in flat.items():
        *path, last = key.split(".")
        inner = root
        for name in path:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return root
