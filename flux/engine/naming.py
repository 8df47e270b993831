"""Names of calls: fixed, or made from the arguments."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from string import Formatter
from typing import Any

from flux.errors import UsageError

MAX_LENGTH = 200
"""Characters of a name; a longer one is cut."""
_ROOT = re.compile(r"[^.\[]*")


class NameTemplate:
    """A name that refers to the arguments of a call, as `str.format` does.

    Arguments count by their parameter's name, however the call passes them, and defaults count too.

    Raises `UsageError` for a template that no call can fill.

    Example:
        >>> def load(table, rows=10): ...
        >>> NameTemplate("load_{table}_{rows}", load).fill(("orders",), {})
        'load_orders_10'
    """

    def __init__(self, text: str, func: Callable[..., Any]) -> None:
        self._text = text
        self._task = getattr(func, "__name__", type(func).__name__)
        self._func = func
        self._signature = _signature(func)
        self._check()

    def fill(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """The name of a call with these arguments. Raises `UsageError` when one of them is missing."""
        given = self._arguments(args, kwargs)
        try:
            return self._text.format(*args, **given)
        except (LookupError, AttributeError, TypeError, ValueError) as error:
            raise self._refused(f"{type(error).__name__}: {error}", given) from error

    def _arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            bound = self._signature.bind_partial(*args, **kwargs)
        except TypeError:  # arguments that the function does not take: calling it will say so
            return kwargs
        bound.apply_defaults()
        return {**bound.arguments, **kwargs}

    def _check(self) -> None:
        parameters = self._signature.parameters
        try:
            roots = list(_roots(self._text))
        except ValueError as error:
            raise self._refused(str(error), parameters) from None
        for root in roots:
            if root.isidentifier() and not takes(self._func, root):
                raise self._refused(f"'{root}' is no argument of it", parameters)

    def _refused(self, why: str, names: Mapping[str, Any]) -> UsageError:
        known = ", ".join(names) or "none"
        return UsageError(
            f"The name '{self._text}' of the task '{self._task}' cannot be filled in: {why}.",
            hint=f"Arguments to refer to: {known}. Write '{{{{' for a brace that is meant as one.",
        )


def takes(func: Callable[..., Any], name: str) -> bool:
    """Whether a function can be given an argument of that name, as far as can be seen."""
    parameters = _signature(func).parameters
    return name in parameters or any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())


def displayed(name: str) -> str:
    """A filled-in name as it is shown: one line of bounded length.

    Example:
        >>> displayed("load_a\\nb")
        'load_a b'
    """
    return "".join(letter if letter.isprintable() else " " for letter in name[:MAX_LENGTH])


def _roots(text: str) -> Iterator[str]:
    for _, field, spec, _ in Formatter().parse(text):
        if field is not None:
            yield _ROOT.match(field)[0]  # type: ignore[index]  # the pattern matches everything
        if spec:
            yield from _roots(spec)


def _signature(func: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(func)
    except (TypeError, ValueError):
        return inspect.Signature([inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)])
