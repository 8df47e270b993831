"""The declared type of an input or an answer: its JSON schema, its check, its building.

pydantic does the work and is imported only when a type asks for it, so that `import flux` stays quick.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from flux.engine.context import ExecutionContext
from flux.errors import InvalidInputError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from flux.engine.workflow import Workflow

_UNTYPED = (Any, None, type(None), object, inspect.Parameter.empty, inspect.Signature.empty)


def input_type(func: Callable[..., Any]) -> Any:
    """The `T` of a workflow's `ExecutionContext[T]`, or None when it has none."""
    hint = _hints(func).get(next(iter(inspect.signature(func).parameters), ""))
    if typing.get_origin(hint) is not ExecutionContext:
        return None
    (found,) = typing.get_args(hint)
    return None if found in _UNTYPED or isinstance(found, typing.TypeVar) else found


def _hints(func: Callable[..., Any]) -> dict[str, Any]:
    """Evaluated annotations; a workflow defined inside a function finds what it closes over."""
    names = {"ExecutionContext": ExecutionContext}
    cells = getattr(func, "__closure__", None) or ()
    for name, cell in zip(func.__code__.co_freevars, cells, strict=False):
        with contextlib.suppress(ValueError):  # an empty cell
            names[name] = cell.cell_contents
    try:
        return typing.get_type_hints(func, localns=names)
    except Exception:
        # An annotation that names something out of reach: the input is taken as it comes.
        return {}


def output_type(func: Callable[..., Any]) -> Any:
    """The declared return type, or None."""
    found = _hints(func).get("return")
    return None if found in _UNTYPED else found


def json_schema(type_: Any) -> dict[str, Any] | None:
    """JSON schema of a type, or None when it has none."""
    if type_ is None:
        return None
    try:
        return _adapter(type_).json_schema()
    except Exception:
        return None


def coerce(type_: Any, value: Any) -> Any:
    """The value as an instance of the type; raises `InvalidInputError` with per-field errors."""
    if type_ is None or type_ is type(value):
        return value
    adapter = _adapter_or_none(type_)
    if adapter is None:
        return value
    from pydantic import ValidationError

    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise InvalidInputError(errors=_field_errors(error)) from None


def coerce_input(workflow: Workflow[Any, Any], value: Any) -> Any:
    """A workflow's input, built to its declared type.

    A missing input becomes the type's defaults when it has one for every field.
    """
    type_ = workflow.input_type
    if value is None and is_model(type_):
        value = {}
    return coerce(type_, value)


def is_model(type_: Any) -> bool:
    """Whether a type is a pydantic model or a dataclass."""
    return isinstance(type_, type) and (dataclasses.is_dataclass(type_) or hasattr(type_, "model_validate"))


def check(type_: Any, value: Any) -> list[dict[str, Any]]:
    """What is wrong with a JSON value for a type, `{"loc", "msg", "type"}` for each field; empty when valid."""
    try:
        coerce(type_, value)
    except InvalidInputError as error:
        return error.errors
    return []


def check_input(workflow: Workflow[Any, Any], value: Any) -> list[dict[str, Any]]:
    """What is wrong with an input for a workflow."""
    try:
        coerce_input(workflow, value)
    except InvalidInputError as error:
        return error.errors
    return []


def check_answer(model: Any, schema: Mapping[str, Any] | None, value: Any) -> list[dict[str, Any]]:
    """What is wrong with an answer: by the model where there is one, else by its JSON schema."""
    if model is not None:
        return check(model, value)
    if not schema:
        return []
    from jsonschema.validators import validator_for

    validator = validator_for(schema)(schema)
    return [
        {"loc": list(error.absolute_path), "msg": error.message, "type": str(error.validator)}
        for error in validator.iter_errors(value)
    ]


def model_reference(type_: Any) -> str:
    """`module:qualname` of a type that can be found again, or ""."""
    module, name = getattr(type_, "__module__", ""), getattr(type_, "__qualname__", "")
    return f"{module}:{name}" if module and name and "<locals>" not in name else ""


def resolve_model(reference: str) -> Any:
    """The type behind a reference, or None when it cannot be found."""
    module, _, name = reference.partition(":")
    if not name:
        return None
    try:
        return functools.reduce(getattr, name.split("."), importlib.import_module(module))
    except (ImportError, AttributeError):
        return None


def _adapter_or_none(type_: Any) -> TypeAdapter[Any] | None:
    try:
        return _adapter(type_)
    except Exception:
        # A type that pydantic knows nothing of is taken as it comes.
        return None


@functools.lru_cache(maxsize=512)
def _adapter(type_: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(type_)


def _field_errors(error: Any) -> list[dict[str, Any]]:
    return [
        {"loc": list(item["loc"]), "msg": item["msg"], "type": item["type"]}
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    ]
