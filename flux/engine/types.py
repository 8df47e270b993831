"""The declared type of an input or an answer: its JSON schema, its check, its building.

pydantic does the work and is imported only when a type asks for it, so that `import flux` stays quick.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import functools
import inspect
import json
import operator
import sys
import types
import typing
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from flux.codec import Codec, Payload, to_plain
from flux.codec.names import is_importable, resolve, type_name
from flux.codec.tags import is_plain
from flux.engine.context import ExecutionContext
from flux.engine.ports import ValueCodec
from flux.errors import CodecError, InvalidInputError, UsageError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from flux.engine.workflow import Workflow

UNSAID = "The code may check more than this schema says."
_FORM = "form:"
_UNTYPED = (Any, None, type(None), object, inspect.Parameter.empty, inspect.Signature.empty)


def input_type(func: Callable[..., Any]) -> Any:
    """The `T` of a workflow's `ExecutionContext[T]`, or None when it has none."""
    hint = _hints(func).get(next(iter(inspect.signature(func).parameters), ""))
    if get_origin(hint) is not ExecutionContext:
        return None
    (found,) = get_args(hint)
    return None if found in _UNTYPED or isinstance(found, typing.TypeVar) else found


def _hints(func: Callable[..., Any]) -> dict[str, Any]:
    """Evaluated annotations; a workflow defined inside a function finds what it closes over."""
    names = {"ExecutionContext": ExecutionContext}
    cells = getattr(func, "__closure__", None) or ()
    for name, cell in zip(func.__code__.co_freevars, cells, strict=False):
        with contextlib.suppress(ValueError):  # an empty cell
            names[name] = cell.cell_contents
    try:
        return typing.get_type_hints(func, localns=names, include_extras=True)
    except Exception:
        # An annotation that names something out of reach: the input is taken as it comes.
        return {}


def output_type(func: Callable[..., Any]) -> Any:
    """The declared return type, or None."""
    found = _hints(func).get("return")
    return None if found in _UNTYPED else found


def json_schema(type_: Any) -> dict[str, Any] | None:
    """JSON schema of a type, or None when it has none.

    Where it says less than the type, a `$comment` says so: only the code can decide then.
    """
    if type_ is None:
        return None
    try:
        schema = _adapter(type_).json_schema()
    except Exception:
        return None
    return schema | {"$comment": UNSAID} if _checks_more(type_) else schema


def coerce(type_: Any, value: Any) -> Any:
    """The value as an instance of the type; raises `InvalidInputError` with per-field errors.

    Plain JSON is read by the rules for JSON (`"2026-01-02"` is a date even for a strict model), all else by
    those for Python.
    """
    if type_ is None or type_ is type(value) or (adapter := _adapter_or_none(type_)) is None:
        return value
    from pydantic import ValidationError

    try:
        text = _json(value) if is_plain(value) else None
        return adapter.validate_python(value) if text is None else adapter.validate_json(text)
    except ValidationError as error:
        raise InvalidInputError(errors=_field_errors(error)) from None


def _json(value: Any) -> bytes | None:
    """JSON for pydantic; None for what it does not read: integers of thousands of digits, lone surrogates."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except ValueError:
        return None


def coerce_input(workflow: Workflow[Any, Any], value: Any) -> Any:
    """A workflow's input, built to its declared type.

    A missing input becomes the type's defaults when it has one for every field.
    """
    type_ = workflow.input_type
    if value is None and is_model(type_):
        value = {}
    return coerce(type_, value)


def coerce_answer(model: Any, schema: Mapping[str, Any] | None, value: Any) -> Any:
    """An answer to a wait: built by the model where there is one, else checked by the JSON schema."""
    if model is not None:
        return coerce(model, value)
    if schema and (errors := _schema_errors(schema, value if is_plain(value) else to_plain(Codec().encode(value)))):
        raise InvalidInputError(errors=errors)
    return value


def errors_of(coercing: Callable[[], object]) -> list[dict[str, Any]]:
    """What is wrong with a value, `{"loc", "msg", "type"}` for each field; empty when it fits."""
    try:
        coercing()
    except InvalidInputError as error:
        return error.errors
    return []


def is_model(type_: Any) -> bool:
    """Whether a type is a pydantic model or a dataclass."""
    return isinstance(type_, type) and (dataclasses.is_dataclass(type_) or hasattr(type_, "model_validate"))


def model_reference(type_: Any, codec: ValueCodec) -> str:
    """What `resolve_model` finds a type by, or "" when there is no such thing.

    A class has its name. Forms such as `list[Item]` have none: they are stored as values, signed.
    """
    if isinstance(type_, type) and get_origin(type_) is None and is_importable(type_):
        return type_name(type_)
    try:
        return _FORM + base64.b64encode(codec.encode(type_).data).decode()
    except CodecError:
        return ""


def resolve_model(reference: str, codec: ValueCodec) -> Any:
    """The type behind a reference, or None when it cannot be found."""
    try:
        if reference.startswith(_FORM):
            return codec.decode(Payload(base64.b64decode(reference.removeprefix(_FORM)), "dill"))
        return resolve(reference) if reference else None
    except (ImportError, AttributeError, CodecError):
        return None


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raise `UsageError` for what is no JSON schema: no answer could be checked by it."""
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    try:
        validator_for(schema).check_schema(schema)
    except SchemaError as error:
        raise UsageError(
            f"{error.json_path} of the schema is wrong: {error.message}.",
            hint="Give a JSON schema, a pydantic model or a dataclass.",
        ) from None


def _schema_errors(schema: Mapping[str, Any], value: Any) -> list[dict[str, Any]]:
    from jsonschema.validators import validator_for

    validator = validator_for(schema)(schema)
    return [
        {"loc": list(error.absolute_path), "msg": error.message, "type": str(error.validator)}
        for error in validator.iter_errors(value)
    ]


def _checks_more(type_: Any) -> bool:
    """Whether a type may refuse what its JSON schema lets through; models are not looked into."""
    if get_origin(type_) is Annotated or hasattr(type_, "__supertype__") or hasattr(type_, "__value__"):
        return True
    if any(_checks_more(part) for part in get_args(type_)):
        return True
    return hasattr(type_, "__get_pydantic_core_schema__") and not hasattr(type_, "model_fields")


def _adapter_or_none(type_: Any) -> TypeAdapter[Any] | None:
    try:
        return _adapter(type_)
    except Exception:
        # A type that pydantic knows nothing of is taken as it comes.
        return None


@functools.lru_cache(maxsize=512)
def _adapter(type_: Any) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter

    if isinstance(type_, TypeAdapter):
        return type_
    readable = _with_extensions(type_)
    try:
        # Bytes are base64 in JSON, as they are where Flux writes it.
        return TypeAdapter(readable, config=ConfigDict(val_json_bytes="base64"))
    except PydanticUserError:
        return TypeAdapter(readable)  # models have a configuration of their own


def _with_extensions(type_: Any) -> Any:
    """The type with the TypedDicts of `typing_extensions`: before Python 3.12 pydantic reads no others."""
    if sys.version_info >= (3, 12):
        return type_
    from typing_extensions import is_typeddict

    parts = tuple(_with_extensions(part) for part in getattr(type_, "__args__", ()))
    if is_typeddict(type_):
        return _with_extensions_inside(type_)
    if not parts:
        return type_
    if isinstance(type_, types.UnionType):
        return functools.reduce(operator.or_, parts)
    return type_.copy_with(parts) if hasattr(type_, "copy_with") else get_origin(type_)[parts]


def _with_extensions_inside(type_: Any) -> Any:
    import typing_extensions

    make: Any = typing_extensions.TypedDict
    optional: Any = typing_extensions.NotRequired
    hints = typing.get_type_hints(type_, include_extras=True)
    read = {name: _with_extensions(hint) for name, hint in hints.items()}
    marks = (typing.Required, typing.NotRequired)
    told = {name for name, hint in hints.items() if name in type_.__required_keys__ or get_origin(hint) in marks}
    return make(type_.__name__, {name: hint if name in told else optional[hint] for name, hint in read.items()})


def _field_errors(error: Any) -> list[dict[str, Any]]:
    return [
        {"loc": list(item["loc"]), "msg": item["msg"], "type": item["type"]}
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    ]
