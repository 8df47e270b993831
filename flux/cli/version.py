"""`flux version`."""

from __future__ import annotations

from flux.cli.options import FormatOption, example, new_app
from flux.cli.render import put, put_json

app = new_app("Print the version.")


@app.command("version", epilog=example("flux version --format json"))
def version(format: FormatOption = "simple") -> None:
    """Print the version of Flux and of Python."""
    import platform
    from importlib.metadata import version as installed

    if format == "json":
        put_json({"flux": installed("flux-core"), "python": platform.python_version()})
    else:
        put(f"flux {installed('flux-core')} (Python {platform.python_version()})")
