"""The one place where errors become what a person reads and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from flux.cli.render import talk
from flux.errors import FluxError, InvalidInputError, NonDeterminismError


@contextmanager
def reported() -> Iterator[None]:
    """Turn errors of the block into a message on stderr and `typer.Exit`.

    A Flux error prints its message and its hint and exits with its own code. Anything else is a bug of
    ours: one line, exit code 70, and the traceback only with `FLUX_DEBUG=1`.
    """
    try:
        yield
    except FluxError as error:
        tell(error)
        raise typer.Exit(error.exit_code) from None
    except (typer.Exit, typer.Abort, typer.TyperException, BrokenPipeError):
        raise
    except Exception as error:
        _tell_bug(error)
        raise typer.Exit(70) from None


def tell(error: FluxError) -> None:
    """Print an error to stderr: what happened, each wrong field, what to do next."""
    if isinstance(error, NonDeterminismError):
        from flux.cli.outcome import tell_divergence  # only those that have parted need it

        return tell_divergence(error.extra())
    talk(f"Error: {error}", style="red")
    if isinstance(error, InvalidInputError):
        for field in error.errors:
            where = ".".join(str(part) for part in field.get("loc", ())) or "input"
            line = f"{where}: {field.get('msg', '')}"
            if line not in str(error):
                talk(f"  {line}")
    if error.hint:
        talk(error.hint)
    return None


def _tell_bug(error: Exception) -> None:
    if os.environ.get("FLUX_DEBUG"):
        traceback.print_exception(error, file=sys.stderr)
    talk(f"Error: Flux stumbled over {type(error).__name__}: {error}", style="red")
    talk("This is a bug in Flux. `FLUX_DEBUG=1` shows where it happened.")
