"""Single cells of a row: finding them under one of several names, and reading them as text. It knows no format."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ftcore.columns import TEXT_LIKE, as_text


def first_of(row: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """The first of the names that the row has as a column."""
    return next((name for name in names if name in row), None)


def needed(row: Mapping[str, Any], names: Sequence[str]) -> str:
    """As `first_of`, but raises ValueError when the row has none of them."""
    name = first_of(row, names)
    if name is None:
        wanted = " or ".join(map(repr, names))
        raise ValueError(f"this row has no column {wanted}; it has {', '.join(map(repr, row)) or 'none'}")
    return name


def text_of(value: Any, name: str) -> str:
    """A cell that must hold text: a string, or a number, truth value, date or time as it is written.

    Raises ValueError for null, for nothing but blanks, and for lists, objects and numbers that are none.
    """
    if value is None:
        raise ValueError(f"{name} is null")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} is {value}, not a number")
    if not isinstance(value, TEXT_LIKE):
        raise ValueError(f"{name} is {_article(value)}, not text")
    text = as_text(value)
    if not text.strip():
        raise ValueError(f"{name} is empty")
    return text


def optional_text(value: Any, name: str) -> str:
    """As `text_of`, but null and blanks are fine and give an empty text."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return ""
    return text_of(value, name)


def list_of(value: Any, name: str) -> list[Any]:
    """A cell that holds a list, itself or as JSON text; null and blanks are an empty one."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return []
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(f"{name} is not valid JSON: {error}") from None
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{name} is {_article(value)}, not a list")
    return list(value)


def _article(value: Any) -> str:
    words = {dict: "an object", list: "a list", tuple: "a list", str: "text", bool: "true or false", int: "a number"}
    return words.get(type(value), f"of type {type(value).__name__}")


def judges(row: Mapping[str, Any]) -> bool:
    """Whether the row compares answers or judges one, so that learning it as it stands would teach the wrong thing."""
    return "chosen" in row or "rejected" in row or isinstance(row.get("label"), bool)
