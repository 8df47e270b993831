"""`flux top`: the dashboard of a server that runs elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from flux.cli.options import ServerUrl, example, new_app

app = new_app("Attach the dashboard to a server that runs elsewhere.")


@app.command("top", epilog=example("flux top", "flux top http://build-server:8000"))
def top(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where the server answers.", show_default=False)] = "",
    server_url: ServerUrl = "",
) -> None:
    """Attach the dashboard to a server that runs elsewhere. Leaving it stops nothing."""
    import sys

    from flux.cli.dashboard import attach
    from flux.cli.session import configured_url
    from flux.errors import UsageError

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("`flux top` needs a terminal.", hint="Use `flux execution list` in scripts.")
    attach(url or server_url or configured_url())
