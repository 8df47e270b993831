"""What the commands share: how an app is made, and the options that many take."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

Format = Literal["simple", "json"]
Mode = Literal["sync", "async", "stream"]

SERVER_URL = "FLUX_WORKERS__SERVER_URL"
"""Environment variable that stands in for `--server-url`."""

ServerUrl = Annotated[
    str,
    typer.Option(
        "--server-url",
        envvar=SERVER_URL,
        help="Where the server answers. [default: the configured one, http://localhost:8000]",
        show_default=False,
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How to print data: for people or for programs.")]
Ref = Annotated[str, typer.Argument(metavar="REF", help="`name`, or `namespace/name`.")]
ExecutionId = Annotated[str, typer.Argument(metavar="ID", help="Id of the execution.")]
Input = Annotated[
    str | None,
    typer.Argument(metavar="INPUT", help="JSON, a bare word, @file, or - to read stdin.", show_default=False),
]
WaitName = Annotated[
    str | None, typer.Option("--wait", help="Name or id of the wait to answer, when several are open.")
]


def new_app(help: str, *, add_completion: bool = False, **more: Any) -> typer.Typer:
    """A Typer app as all of ours are: plain help, no completion options, no decorated tracebacks."""
    return typer.Typer(
        help=help,
        no_args_is_help=True,
        add_completion=add_completion,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        **more,
    )


def example(*lines: str) -> str:
    """The end of a command's help.

    Example:
        >>> print(example("flux version"))
        \b
        Example:
          flux version
    """
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)
