"""What a fallback or a rollback is called with: of the task's arguments, those that it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

Arguments = tuple[tuple[Any, ...], Mapping[str, Any]]


def arguments_for(
    handler: Callable[..., Any], given: Arguments, names: Mapping[str, Any], apart: Collection[str] = ()
) -> Arguments:
    """Positional and keyword arguments for a handler: all that were given, else those it names, else the first ones.

    Args:
        given: what the task was called with.
        names: the task's arguments by the names of its parameters.
        apart: parameters that are filled some other way, unless they are arguments of the task.

    Example:
        >>> arguments_for(lambda url: None, (("a", 3), {}), {"url": "a", "tries": 3})
        ((), {'url': 'a'})
    """
    args, kwargs = given
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):  # a builtin without a signature
        return given
    signature = _without(signature, {name for name in apart if name not in names})
    if _takes(signature, args, kwargs):
        return given
    parameters = signature.parameters
    named = {name: names[name] for name in parameters if name in names}
    if named and _takes(signature, (), named):
        return (), named
    kept = {name: value for name, value in kwargs.items() if name in parameters}
    others = (*args, *(value for name, value in kwargs.items() if name not in kept))
    places = sum(_is_place(parameter) and name not in kept for name, parameter in parameters.items())
    return others[:places], kept


def _without(signature: inspect.Signature, apart: Collection[str]) -> inspect.Signature:
    kept = [parameter for name, parameter in signature.parameters.items() if name not in apart]
    return signature if len(kept) == len(signature.parameters) else signature.replace(parameters=kept)


def _is_place(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)


def _takes(signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        return False
    return True
