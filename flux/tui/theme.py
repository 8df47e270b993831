"""Colours: two themes of our own, and the terminal styles behind the names in `Span.style`."""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from textual.color import Color, ColorParseError
from textual.theme import Theme

DARK = Theme(
    name="flux",
    primary="#6cb0f2",
    secondary="#b89cf0",
    accent="#6cb0f2",
    warning="#e3b35a",
    error="#ec7a74",
    success="#7cc88a",
    foreground="#d3dae3",
    background="#0f1318",
    surface="#151b22",
    panel="#1e2731",
    dark=True,
    variables={"flux-dim": "#7a8794", "flux-line": "#28323d", "footer-key-foreground": "#6cb0f2"},
)

LIGHT = Theme(
    name="flux-light",
    primary="#1f6fb8",
    secondary="#7a4fc0",
    accent="#1f6fb8",
    warning="#8f6200",
    error="#b3302a",
    success="#2b7a3b",
    foreground="#1d252e",
    background="#fbfbfa",
    surface="#f2f3f3",
    panel="#e3e7ea",
    dark=False,
    variables={"flux-dim": "#66717c", "flux-line": "#d3d9de", "footer-key-foreground": "#1f6fb8"},
)

_COLOURS = {
    "accent": "accent",
    "good": "success",
    "bad": "error",
    "wait": "warning",
    "run": "primary",
    "key": "secondary",
    "mark": "accent",
}


class Palette:
    """Styles of one theme by the names the model uses.

    Example:
        >>> palette = Palette({"error": "#ff0000"})
        >>> palette["bad bold"].bold
        True
    """

    def __init__(self, variables: Mapping[str, str], *, ansi: bool = False) -> None:
        self._styles: dict[str, Style] = {"": Style.null()}
        for name, variable in _COLOURS.items():
            self._styles[name] = _foreground(variables.get(variable, ""))
        dim = variables.get("flux-dim", "")
        self._styles["dim"] = _foreground(dim) if dim and not ansi else Style(dim=True)
        self._styles["bold"] = Style(bold=True)
        self._styles["title"] = self._styles["accent"] + Style(bold=True)
        self._styles["inverse"] = Style(reverse=True)
        self._styles["underline"] = Style(underline=True)

    def __getitem__(self, names: str) -> Style:
        found = self._styles.get(names)
        if found is None:
            found = Style.null()
            for name in names.split():
                found += self._styles.get(name, Style.null())
            self._styles[names] = found
        return found


def _foreground(value: str) -> Style:
    try:
        return Style(color=Color.parse(value).rich_color)
    except ColorParseError:
        return Style.null()
