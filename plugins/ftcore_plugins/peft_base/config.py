"""Kinds of settings that several methods on PEFT have."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator


def _as_list(value: object) -> object:
    """`q_proj,v_proj`, as one writes it on the command line, is a list; a single word such as `auto` stays one."""
    if value in (["all-linear"], ["auto"]):  # the command line makes a list of every word
        return value[0]
    if isinstance(value, list):
        return [word for word in value if word != ""]
    if not isinstance(value, str) or value in ("all-linear", "auto"):
        return value
    return [word for word in map(str.strip, value.split(",")) if word]


def _are_expressions(value: str | list[str]) -> str | list[str]:
    if not value:
        raise ValueError("name at least one layer")
    for word in value if isinstance(value, list) else []:
        try:
            re.compile(word)
        except re.error as error:
            raise ValueError(f"{word!r} is no regular expression: {error}") from None
    return value


Names = Annotated[list[str], BeforeValidator(_as_list)]
"""A list, or on the command line words between commas."""

Targets = Annotated[Literal["all-linear"] | list[str], BeforeValidator(_as_list), AfterValidator(_are_expressions)]
"""Layers that get an update: `all-linear`, or names, each of which may be a regular expression for the whole path."""

ChosenTargets = Annotated[
    Literal["auto", "all-linear"] | list[str], BeforeValidator(_as_list), AfterValidator(_are_expressions)
]
"""The same for a method that can choose its layers by itself: `auto`."""

ChosenNorms = Annotated[Literal["auto"] | list[str], BeforeValidator(_as_list), AfterValidator(_are_expressions)]
"""The same for a method whose layers are no linear ones."""
