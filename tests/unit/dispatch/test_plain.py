import pytest

from flux.dispatch.plain import fits_plainly

LIST = {"type": "array", "items": {"type": "integer"}}
TABLE = {"type": "object", "additionalProperties": {"type": "number"}}
MAYBE = {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "Name"}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, 1),
        ({"type": "integer"}, "1"),
        ({"type": "integer"}, 1.0),
        ({"type": "number"}, "1.5"),
        ({"type": "boolean"}, "yes"),
        ({"type": "string"}, ""),
        ({"type": "null"}, None),
        (LIST, []),
        (LIST, ["1", 2]),
        (TABLE, {"a": 1}),
        ({"type": "object", "additionalProperties": True}, {"a": [1, {}]}),
        ({"type": "array", "items": {}}, [None, "x"]),
        (MAYBE, None),
        (MAYBE, "x"),
    ],
)
def test_what_fits(schema, value):
    assert fits_plainly(schema, value)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, "x"),
        ({"type": "integer"}, None),
        ({"type": "string"}, 1),
        ({"type": "integer", "$comment": "The code checks more."}, 1),
        (LIST, [1, "x"]),
        (TABLE, {"a": "x"}),
        (MAYBE, 3),
    ],
)
def test_what_does_not_fit(schema, value):
    assert not fits_plainly(schema, value)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "format": "date"},
        {"type": "integer", "minimum": 0},
        {"type": "array", "items": {"type": "integer"}, "uniqueItems": True},
        {"type": "array"},
        {"type": "object", "properties": {"n": {"type": "integer"}}},
        {"type": "object", "properties": {}, "title": "Order"},
        {"$ref": "#/$defs/Order"},
        {"enum": [1]},
        {"const": 1},
        {"type": ["integer", "null"]},
        {"anyOf": []},
        {"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/Order"}]},
        {"type": "array", "items": True},
    ],
)
@pytest.mark.parametrize("value", [1, "1", [1], {"n": 1}, None])
def test_other_schemas_are_left_to_the_code(schema, value):
    assert not fits_plainly(schema, value)
