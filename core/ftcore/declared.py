"""Records that hold what they declare: each is compared with its own annotations when it is made.

So a plugin's slip is met in the plugin's own line, and nobody behind it needs to look again. Only what annotations of
records use is understood; whatever else there is fits.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Mapping
from functools import cache
from types import FrameType, NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ftcore.errors import PluginError, closest

WORDS: Mapping[Any, str] = {
    str: "text",
    bool: "True or False",
    int: "a whole number",
    float: "a finite number",
    NoneType: "None",
}
EXAMPLES: Mapping[Any, str] = {str: "'…'", bool: "True", int: "1", float: "0.5", Any: "…"}


class Declared:
    """The base of a record, a dataclass. A record made with a value that does not fit raises PluginError."""

    __slots__ = ()

    def __post_init__(self) -> None:
        must_fit(self)


def must_fit(record: object) -> None:
    """Raise PluginError naming the line that made the record, unless each field holds what its annotation says."""
    kind: Any = type(record)
    for name, hint, test in _fields(kind):
        value = getattr(record, name)
        if not test(value):
            called = getattr(record, "name", None)
            of = f"{kind.__name__} {called!r}" if isinstance(called, str) else kind.__name__
            what = f"{of}: {name} is {value!r}, not {in_words(hint)}"
            raise PluginError(what, where=caller(), fix=f"{name}={_example(hint, value)}")


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is what an annotation says. A number must be finite, a bool is none; a list will do."""
    return _test(hint)(value)


@cache
def _test(hint: Any) -> Callable[[Any], bool]:
    """Made once for each annotation: a million rows are checked too."""
    origin, parts = get_origin(hint), get_args(hint)
    if hint is float:
        return lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if hint is int:
        return lambda value: isinstance(value, int) and not isinstance(value, bool)
    if origin is Literal:
        return lambda value: value in parts
    inner = [_test(part) for part in parts if part is not ...]
    if origin in (Union, UnionType):
        return lambda value: any(test(value) for test in inner)
    if origin is tuple:
        return lambda value: isinstance(value, (tuple, list)) and all(map(inner[0], value))
    if origin is Mapping and parts[1] is Any:
        return lambda value: isinstance(value, Mapping) and all(map(inner[0], value))
    if origin is Mapping:
        return lambda value: isinstance(value, Mapping) and all(inner[0](k) and inner[1](v) for k, v in value.items())
    if hint is Any or not isinstance(hint, type):
        return lambda _: True
    return lambda value: isinstance(value, hint)


def in_words(hint: Any) -> str:
    """An annotation for people: `text or None`."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(parts)
    if origin in (Union, UnionType):
        return " or ".join(map(in_words, parts))
    if origin is tuple:
        return f"a tuple of {in_words(parts[0])}"
    if origin is Mapping:
        return "a dictionary from text" + (f" to {in_words(parts[1])}" if parts[1] is not Any else "")
    return WORDS.get(hint) or f"a {getattr(hint, '__name__', hint)}"


def caller() -> str | None:
    """File and line of the nearest caller outside the core."""
    frame: FrameType | None = sys._getframe(1)
    while frame and str(frame.f_globals.get("__name__")).partition(".")[0] == "ftcore":
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else None


def _example(hint: Any, value: Any) -> str:
    """Something to write instead, as near to the value as can be."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return repr((isinstance(value, str) and closest(value, parts)) or parts[0])
    if origin in (Union, UnionType):
        return _example(parts[0], value)
    if origin is tuple:
        wrong = [each for each in value if not fits(each, parts[0])] if isinstance(value, (tuple, list)) else [value]
        return f"({_example(parts[0], wrong[0]) if wrong else '…'},)"
    if origin is Mapping:
        pairs = value.items() if isinstance(value, Mapping) else [("…", None)]
        key, inner = next((pair for pair in pairs if not fits(pair[1], parts[1])), ("…", None))
        return f"{{{str(key)!r}: {_example(parts[1], inner)}}}"
    if isinstance(value, str) and hint is str:
        return repr(value)
    if getattr(hint, "__name__", "") == "Ref":
        return "Ref('package.module:Name')"
    return EXAMPLES.get(hint) or f"{getattr(hint, '__name__', hint)}(…)"


@cache
def _fields(record: Any) -> list[tuple[str, Any, Callable[[Any], bool]]]:
    hints = get_type_hints(record)
    return [(each.name, hints[each.name], _test(hints[each.name])) for each in dataclasses.fields(record)]
