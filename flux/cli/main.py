"""Entry point of `flux`: the list of commands, each loaded when it is asked for."""

from __future__ import annotations

import gc
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup

from flux.cli.errors import reported
from flux.cli.options import new_app


class Entry(NamedTuple):
    """A command that is not imported yet."""

    module: str
    help: str


COMMANDS = {
    "dev": Entry("flux.cli.dev", "Run everything here with a live dashboard, reloading on every save."),
    "init": Entry("flux.cli.init", "Write a small project that runs."),
    "exec": Entry("flux.cli.exec", "Run a workflow of a file here and now, without a server."),
    "workflow": Entry("flux.cli.workflow", "Register, look at and run workflows."),
    "execution": Entry("flux.cli.execution", "Look at executions, answer, cancel and rerun them."),
    "service": Entry("flux.cli.service", "Offer workflows as plain HTTP endpoints."),
    "secrets": Entry("flux.cli.secrets", "Keep secrets for the tasks that ask for them."),
    "configs": Entry("flux.cli.configs", "Keep values for the tasks that ask for them."),
    "worker": Entry("flux.cli.worker", "Look at workers."),
    "start": Entry("flux.cli.start", "Start a server, a worker or an MCP server, without a dashboard."),
    "top": Entry("flux.cli.top", "Attach the dashboard to a server that runs elsewhere."),
    "config": Entry("flux.cli.config", "Show the settings and where each came from."),
    "version": Entry("flux.cli.version", "Print the version."),
}
"""Every command, in the order `flux --help` lists them."""


class LazyGroup(TyperGroup):
    """Imports the module of a command when the command is used, not to list it."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, loaded or not."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command itself; its module is imported now."""
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in self.commands:
            app: typer.Typer = import_module(COMMANDS[cmd_name].module).app
            self.commands[cmd_name] = typer.main.get_command(app)
            self.commands[cmd_name].name = cmd_name
        return self.commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The table of `flux --help`, from `COMMANDS` alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As usual, with names that are not loaded counted in for suggestions."""
        if args and args[0] not in COMMANDS:
            ctx.fail(f"No such command '{args[0]}'.{_suggestion(args[0])}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Errors of every command are told in one way."""
        with reported():
            return super().invoke(ctx)


app = new_app("Durable workflows in plain async Python.", cls=LazyGroup, add_completion=True)


@app.callback()
def flux() -> None:
    """Durable workflows in plain async Python.

    `flux init` writes a project to start from, `flux dev` runs it.
    """


def main() -> None:
    """What the `flux` script calls."""
    # Nothing that is imported at the start is garbage; to look for it all the time takes a fifth of the start.
    gc.set_threshold(50_000, 20, 50)
    run: Callable[..., Any] = app
    run(prog_name="flux")


def _suggestion(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


if __name__ == "__main__":
    main()
