"""A JSON schema as the fields of a form, and what was typed into them as a JSON value.

One level of nested objects becomes a group of fields; what has no field of its own (arrays, unions,
deeper objects) is typed as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["string", "text", "integer", "number", "boolean", "enum", "json"]
Path = tuple[str, ...]
Entry = str | bool | int | None
"""What a field holds: its text, its switch, or the number of the choice taken (None: none)."""

FORM: Path = ("",)
"""Where errors go that belong to no field."""

_LONG = 200


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form.

    Attributes:
        path: members from the root of the value; () when the value itself is the field.
        label: as shown; the last member, or the schema's title for the root.
        group: label of the nested object it belongs to, or "".
        choices: JSON values to choose from (kind `enum`).
        optional_group: it belongs to an object that may be left out.
    """

    path: Path
    label: str
    kind: Kind
    schema: Mapping[str, Any]
    required: bool = False
    nullable: bool = False
    description: str = ""
    group: str = ""
    choices: tuple[Any, ...] = ()
    default: Any = None
    has_default: bool = False
    optional_group: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a schema.

    Attributes:
        members: names of the root object's own members that have fields; others are kept as they are.
        validate: schema to check the value against.
    """

    fields: tuple[Field, ...]
    validate: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_object(self) -> bool:
        """The fields are members of an object."""
        return not (len(self.fields) == 1 and self.fields[0].path == ())


def build(schema: Mapping[str, Any] | None) -> Form:
    """The form of a schema; without one it has a single JSON field.

    Example:
        >>> form = build({"properties": {"amount": {"type": "integer"}}, "required": ["amount"]})
        >>> [(field.label, field.kind, field.required) for field in form.fields]
        [('amount', 'integer', True)]
    """
    if not schema:
        return Form((Field((), "value", "json", {}),))
    root = _resolve(schema, schema)
    if _is_object(root) and root.get("properties"):
        fields: list[Field] = []
        for name, member in root["properties"].items():
            fields += _member(schema, name, member, name in root.get("required", ()))
        return Form(tuple(fields), schema)
    return Form((_field((), str(root.get("title") or "value"), root, root, required=True),), schema)


def _member(root: Mapping[str, Any], name: str, member: Mapping[str, Any], required: bool) -> list[Field]:
    schema, nullable = _unwrap(root, member)
    if _is_object(schema) and schema.get("properties") and not nullable:
        needed = schema.get("required", ())
        default = member.get("default", schema.get("default"))
        fields = []
        for inner_name, inner in schema["properties"].items():
            resolved, inner_nullable = _unwrap(root, inner)
            if isinstance(default, Mapping) and inner_name in default:
                resolved = {**resolved, "default": default[inner_name]}
            fields.append(
                _field(
                    (name, inner_name),
                    inner_name,
                    resolved,
                    inner,
                    required=inner_name in needed,
                    nullable=inner_nullable,
                    group=name,
                    optional_group=not required,
                )
            )
        return fields
    return [_field((name,), name, schema, member, required=required, nullable=nullable)]


def _field(
    path: Path,
    label: str,
    schema: Mapping[str, Any],
    outer: Mapping[str, Any],
    *,
    required: bool,
    nullable: bool = False,
    group: str = "",
    optional_group: bool = False,
) -> Field:
    kind, choices = _kind(schema)
    has_default = "default" in outer or "default" in schema
    return Field(
        path,
        label,
        kind,
        schema,
        required,
        nullable,
        str(outer.get("description") or schema.get("description") or ""),
        group,
        choices,
        outer.get("default", schema.get("default")),
        has_default,
        optional_group,
    )


def _kind(schema: Mapping[str, Any]) -> tuple[Kind, tuple[Any, ...]]:
    if isinstance(schema.get("enum"), Sequence) and schema["enum"]:
        return "enum", tuple(schema["enum"])
    if "const" in schema:
        return "enum", (schema["const"],)
    match schema.get("type"):
        case "boolean":
            return "boolean", ()
        case "integer":
            return "integer", ()
        case "number":
            return "number", ()
        case "string":
            long = schema.get("maxLength", 0) > _LONG or schema.get("format") in ("textarea", "markdown", "multiline")
            return ("text" if long else "string"), ()
    return "json", ()


def _is_object(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "object" or ("properties" in schema and "type" not in schema)


def _resolve(root: Mapping[str, Any], schema: Mapping[str, Any], depth: int = 0) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#") and depth < 16:
        found: Any = root
        for part in reference.lstrip("#/").split("/"):
            if part:
                found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
        if isinstance(found, Mapping):
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            return _resolve(root, {**found, **rest}, depth + 1)
        return {}
    parts = schema.get("allOf")
    if isinstance(parts, Sequence) and len(parts) == 1 and isinstance(parts[0], Mapping) and depth < 16:
        rest = {key: value for key, value in schema.items() if key != "allOf"}
        return {**_resolve(root, parts[0], depth + 1), **rest}
    return schema


def _unwrap(root: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """The schema itself, and whether null is allowed beside it (`X | None`)."""
    resolved = _resolve(root, schema)
    for word in ("anyOf", "oneOf"):
        options = resolved.get(word)
        if isinstance(options, Sequence):
            real = [option for option in options if isinstance(option, Mapping) and option.get("type") != "null"]
            if len(real) == 1 and len(options) == 2:
                rest = {key: value for key, value in resolved.items() if key != word}
                return {**_resolve(root, real[0]), **rest}, True
    kinds = resolved.get("type")
    if isinstance(kinds, list) and len(kinds) == 2 and "null" in kinds:
        return {**resolved, "type": next(kind for kind in kinds if kind != "null")}, True
    return resolved, False


# values


def entries_of(form: Form, value: Any) -> dict[Path, Entry]:
    """What the fields hold for a value; members that are absent get an empty field."""
    return {item.path: _entry(item, *_lookup(value, item.path)) for item in form.fields}


def defaults(form: Form) -> dict[Path, Entry]:
    """What the fields hold at first."""
    return {item.path: _entry(item, item.default, item.has_default) for item in form.fields}


def _lookup(value: Any, path: Path) -> tuple[Any, bool]:
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return None, False
        value = value[part]
    return value, True


def _entry(item: Field, value: Any, present: bool) -> Entry:
    if item.kind == "enum":
        same = [n for n, choice in enumerate(item.choices) if choice == value and type(choice) is type(value)]
        if not present and len(item.choices) == 1 and item.required:
            return 0
        return same[0] if present and same else None
    if item.kind == "boolean":
        return value if isinstance(value, bool) else False
    if not present or (value is None and item.kind != "json"):
        return ""
    if item.kind in ("string", "text") and isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=2 if item.kind == "json" and value else None)


def value_of(form: Form, entries: Mapping[Path, Entry], base: Any = None) -> tuple[Any, dict[Path, str]]:
    """The value the fields stand for, and an error for each field that cannot be read.

    Args:
        base: an object whose members without a field are kept.
    """
    errors: dict[Path, str] = {}
    if not form.is_object:
        value, present = _read(form.fields[0], entries.get(()), errors)
        return (value if present else None), errors
    known = {item.path[0] for item in form.fields}
    result: dict[str, Any] = {}
    if isinstance(base, Mapping):
        result = {key: member for key, member in base.items() if key not in known}
    for item in form.fields:
        value, present = _read(item, entries.get(item.path), errors)
        if len(item.path) == 2 and not item.optional_group:
            result.setdefault(item.path[0], {})
        if not present:
            continue
        target = result
        for part in item.path[:-1]:
            target = target.setdefault(part, {})
        target[item.path[-1]] = value
    return _without_empty_groups(form, result), errors


def _without_empty_groups(form: Form, result: dict[str, Any]) -> dict[str, Any]:
    """An object that may be left out, and in which nothing was changed, is left out."""
    for group in {item.group for item in form.fields if item.optional_group}:
        members = {item.path[1]: item for item in form.fields if item.group == group}
        inner = result.get(group)
        if isinstance(inner, dict) and all(_untouched(members[name], value) for name, value in inner.items()):
            del result[group]
    return result


def _untouched(item: Field, value: Any) -> bool:
    if item.kind == "boolean":
        return value is bool(item.default)
    return item.has_default and value == item.default


_NUMBERS = {
    "integer": re.compile(r"[+-]?\d[\d_]*"),
    "number": re.compile(r"[+-]?(\d[\d_]*)?\.?\d+([eE][+-]?\d+)?|\d+\."),
}


def _read(item: Field, entry: Entry, errors: dict[Path, str]) -> tuple[Any, bool]:
    if item.kind == "enum":
        if isinstance(entry, int) and not isinstance(entry, bool):
            return item.choices[entry], True
        return None, False
    if item.kind == "boolean":
        return bool(entry), True
    text = entry if isinstance(entry, str) else ""
    if item.kind in ("string", "text"):
        return (text, True) if text or _keeps_empty(item) else (None, False)
    text = text.strip()
    if not text:
        return None, False
    if item.kind == "json":
        return _read_json(item, text, errors)
    if not _NUMBERS[item.kind].fullmatch(text):
        errors[item.path] = "needs a whole number" if item.kind == "integer" else "needs a number"
        return None, False
    return (int(text) if item.kind == "integer" else float(text)), True


def _keeps_empty(item: Field) -> bool:
    """An empty text counts as typed where that is the default."""
    return item.has_default and item.default == ""


def _read_json(item: Field, text: str, errors: dict[Path, str]) -> tuple[Any, bool]:
    value, error = read_json(text)
    if error:
        errors[item.path] = error
        return None, False
    return value, True


def read_json(text: str) -> tuple[Any, str]:
    """Parse JSON; the error says line and column.

    Example:
        >>> read_json('{"a": }')[1]
        'line 1, column 7: Expecting value'
    """
    try:
        return json.loads(text), ""
    except json.JSONDecodeError as error:
        return None, f"line {error.lineno}, column {error.colno}: {error.msg}"
    except RecursionError:
        return None, "nested too deeply"


# errors


def check(form: Form, value: Any) -> dict[Path, str]:
    """Errors of a value by the schema alone, for the field each belongs to (the server has the last word)."""
    if not form.validate:
        return {}
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        found = sorted(
            Draft202012Validator(dict(form.validate)).iter_errors(value), key=lambda error: list(map(str, error.path))
        )
    except (SchemaError, RecursionError, re.error, LookupError):
        return {}
    errors: dict[Path, str] = {}
    for error in found:
        path = [str(part) for part in error.absolute_path]
        if error.validator == "required" and isinstance(error.instance, Mapping):
            for name in error.validator_value:
                if name not in error.instance:
                    errors.setdefault(place(form, [*path, name]), "is required")
        else:
            errors.setdefault(place(form, path), _sentence(error.validator, error.validator_value, error.message))
    return errors


def _sentence(rule: object, limit: Any, message: str) -> str:
    sentences = {
        "minimum": "must be at least {}",
        "maximum": "must be at most {}",
        "exclusiveMinimum": "must be greater than {}",
        "exclusiveMaximum": "must be less than {}",
        "minLength": "needs at least {} characters",
        "maxLength": "may have at most {} characters",
        "pattern": "must match {}",
        "minItems": "needs at least {} items",
        "maxItems": "may have at most {} items",
        "type": "must be of type {}",
    }
    if isinstance(rule, str) and rule in sentences:
        return sentences[rule].format(limit if not isinstance(limit, list) else " or ".join(map(str, limit)))
    return message if len(message) <= 120 else message[:119] + "…"


def place(form: Form, location: Sequence[Any]) -> Path:
    """The field an error belongs to: the one with the longest path that starts the error's location."""
    parts = tuple(str(part) for part in location)
    if not form.is_object:
        return ()
    candidates = [parts]
    if parts and parts[0] in ("body", "input", "value"):
        candidates.append(parts[1:])
    for candidate in candidates:
        fitting = [item.path for item in form.fields if candidate[: len(item.path)] == item.path]
        if fitting:
            return max(fitting, key=len)
        group = [item.path for item in form.fields if candidate and item.path[: len(candidate)] == candidate]
        if group:
            return group[0]
    return FORM


def place_all(form: Form, errors: Sequence[Mapping[str, Any]]) -> dict[Path, str]:
    """Errors of a 422 answer for the field each belongs to; those of one field are joined."""
    placed: dict[Path, list[str]] = {}
    for error in errors:
        location = error.get("loc") or ()
        path = place(form, location)
        message = str(error.get("msg") or error.get("type") or "is not valid")
        rest = ".".join(str(part) for part in location[len(path) :]) if path != FORM else ".".join(map(str, location))
        placed.setdefault(path, []).append(f"{rest}: {message}" if rest else message)
    return {path: "; ".join(messages) for path, messages in placed.items()}
