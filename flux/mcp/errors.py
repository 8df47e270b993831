"""What an agent is told when something went wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from fastmcp.exceptions import ToolError

from flux.errors import FluxError


@contextmanager
def told() -> Iterator[None]:
    """Make Flux errors of the block tool errors: the stable code, what happened, what to do next."""
    try:
        yield
    except FluxError as error:
        raise ToolError(describe(error), log_level=logging.DEBUG) from error


def describe(error: FluxError) -> str:
    """The text of an error.

    Example:
        >>> from flux.errors import UsageError
        >>> print(describe(UsageError("'a/b/c' is not a workflow reference.", hint="Write `name`.")))
        usage_error: 'a/b/c' is not a workflow reference.
        Hint: Write `name`.
    """
    text = f"{error.code}: {error.message}"
    return f"{text}\nHint: {error.hint}" if error.hint else text
