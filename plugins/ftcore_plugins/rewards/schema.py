"""The part of JSON Schema with which answers can be described, held exactly; anything beyond it is refused.

The library `jsonschema` would hold all of it, at the price of five more packages for every user. What a small model is
asked to write needs types, names and lists of values. See https://json-schema.org/understanding-json-schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TYPES: Mapping[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "null": type(None),
}
KEYWORDS = {"type", "properties", "required", "additionalProperties", "items", "enum", "const"}
NOTES = {"$schema", "$id", "title", "description", "examples", "default", "$comment"}
"""Keywords that describe and demand nothing."""


def check_schema(schema: Any, where: str = "schema") -> None:
    """Raise ValueError for a schema that is wrong or that says more than is held here."""
    if not isinstance(schema, Mapping):
        raise ValueError(f"{where} is not a JSON object")
    unknown = schema.keys() - KEYWORDS - NOTES
    if unknown:
        raise ValueError(f"{where} uses {', '.join(sorted(unknown))}; what is held is {', '.join(sorted(KEYWORDS))}")
    wrong = [name for name in _types(schema) if name not in TYPES]
    if wrong:
        raise ValueError(f"{where} has the type {wrong[0]!r}; there are {', '.join(TYPES)}")
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise ValueError(f"{where}.required is a list of names")
    if not isinstance(schema.get("enum", []), list):
        raise ValueError(f"{where}.enum is a list of values")
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping):
        raise ValueError(f"{where}.properties maps names to schemas")
    for name, inner in properties.items():
        check_schema(inner, f"{where}.{name}")
    if "items" in schema:
        check_schema(schema["items"], f"{where}.items")
    more = schema.get("additionalProperties", True)
    if not isinstance(more, bool):
        check_schema(more, f"{where}.additionalProperties")


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a JSON value is as a checked schema says."""
    types = _types(schema)
    if types and not any(_is(value, name) for name in types):
        return False
    if "enum" in schema and not any(_same(value, one) for one in schema["enum"]):
        return False
    if "const" in schema and not _same(value, schema["const"]):
        return False
    if isinstance(value, list):
        return all(fits(one, schema.get("items", {})) for one in value)
    return not isinstance(value, dict) or _object_fits(value, schema)


def _object_fits(value: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    if any(name not in value for name in schema.get("required", ())):
        return False
    others = {True: {}, False: None}.get(more) if isinstance(more, bool) else more
    inner = {name: properties.get(name, others) for name in value}
    return all(inner[name] is not None and fits(one, inner[name]) for name, one in value.items())


def _types(schema: Mapping[str, Any]) -> list[Any]:
    given = schema.get("type", [])
    return given if isinstance(given, list) else [given]


def _is(value: Any, name: str) -> bool:
    """As JSON Schema counts: true is no number, and 4.0 is an integer."""
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, TYPES[name])


def _same(left: Any, right: Any) -> bool:
    """Equality of JSON values; Python alone takes true for 1."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[name], right[name]) for name in left)
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)
