"""`flux config show`: the settings and where each came from."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flux.cli.options import FormatOption, example, new_app
from flux.cli.render import put, put_json, table

app = new_app("Show the settings and where each came from.")


@app.callback()
def config() -> None:
    """Show the settings and where each came from."""
