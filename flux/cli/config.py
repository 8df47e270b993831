"""`flux config show`: the settings and where each came from."""

from __future__ import annotations

from typing import Annotated

import typer

from flux.cli.options import FormatOption, example, new_app
from flux.cli.render import put, put_json, table

app = new_app("Show the settings and where each came from.")


@app.callback()
def config() -> None:
    """Show the settings and where each came from."""


@app.command("show", epilog=example("flux config show --origin", "flux config show --format json"))
def show(
    origin: Annotated[bool, typer.Option("--origin", help="With the source of each value.")] = False,
    format: FormatOption = "simple",
) -> None:
    """Show the settings in force; secrets are shown as dots."""
    from flux.config import origins

    found = origins()
    if format == "json":
        if origin:
            return put_json([{"key": one.key, "value": one.value, "source": one.source} for one in found])
        return put_json({one.key: one.value for one in found})
    if origin:
        return table(("key", "value", "from"), [(one.key, one.value, one.source) for one in found])
    for one in found:
        put(f"{one.key} = {_text(one.value)}")
    return None


def _text(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, default=str)
