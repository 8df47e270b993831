"""Where settings come from: flags, the process, the environment, `flux.toml`, `pyproject.toml`."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flux.errors import ConfigurationError

ENVIRONMENT_PREFIX = "FLUX_"


@dataclass(frozen=True, slots=True)
class Given:
    """One value that somebody gave.

    Attributes:
        key: dotted, as given. source: for people: "flag", "environment FLUX_HOME", "flux.toml".
    """

    key: str
    value: Any
    source: str


def from_flags(overrides: Mapping[str, Any], leaves: Mapping[str, Any], source: str = "flag") -> list[Given]:
    """Flags or overrides, nested, dotted (`workers.server_url`) or with `__`; None means not given."""
    return [
        Given(key, value, source)
        for key, value in _flat({key.replace("__", "."): value for key, value in overrides.items()}, leaves)
        if value is not None
    ]


def from_environment(environment: Mapping[str, str], leaves: Mapping[str, Any]) -> list[Given]:
    """Variables `FLUX_*`; an empty one counts as not set."""
    found = []
    for name, text in sorted(environment.items()):
        if name.startswith(ENVIRONMENT_PREFIX) and text:
            key = name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".")
            found.append(Given(key, _parsed(text, leaves.get(key)), f"environment {name}"))
    return found


def from_flux_toml(folder: Path, leaves: Mapping[str, Any]) -> list[Given]:
    """`[flux]` and what is below it; a top-level `[mcp]` counts as `[flux.mcp]`.

    Anything else at the top level keeps its own name, so that it is reported as unknown.
    """
    path = folder / "flux.toml"
    data = _toml(path)
    flux = data.pop("flux", {})
    mcp = {"mcp": data.pop("mcp")} if "mcp" in data else {}
    if not isinstance(flux, dict):
        raise ConfigurationError(f"'flux' in {path} has to be a table: [flux].")
    below = [Given(key, value, path.name) for key, value in (*_flat(mcp, leaves), *_flat(flux, leaves))]
    outside = [Given(f"[{key}]", value, path.name) for key, value in data.items()]
    return [*below, *outside]


def from_pyproject(folder: Path, leaves: Mapping[str, Any]) -> list[Given]:
    """`[tool.flux]` and what is below it."""
    path = folder / "pyproject.toml"
    tool = _toml(path).get("tool", {})
    flux = tool.get("flux", {}) if isinstance(tool, dict) else {}
    if not isinstance(flux, dict):
        raise ConfigurationError(f"'tool.flux' in {path} has to be a table: [tool.flux].")
    return [Given(key, value, f"{path.name} [tool.flux]") for key, value in _flat(flux, leaves)]


def _flat(data: Mapping[str, Any], leaves: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and key not in leaves:
            yield from _flat(value, leaves, f"{key}.")
        else:
            yield key, value


def _parsed(text: str, field: Any) -> Any:
    """Lists and tables are written as JSON, or as words between commas."""
    kind = str(getattr(field, "annotation", ""))
    if not kind.startswith(("list", "dict")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return [word.strip() for word in text.split(",") if word.strip()] if kind.startswith("list") else text


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}.") from error
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}.") from error
