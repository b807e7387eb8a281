"""Settings of the reward functions. What they say is checked here, before anything loads."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ftcore.settings import Settings
from ftcore_plugins.rewards.schema import check_schema


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"this is no regular expression: {error}") from None
    return pattern


def read_schema(given: str) -> dict[str, Any]:
    """The schema that a text is, or that stands in the file of that name. Raises ValueError."""
    try:
        value = json.loads(given if given.lstrip().startswith("{") else Path(given).expanduser().read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"the schema cannot be read: {error.strerror}: {given}") from None
    except ValueError as error:
        raise ValueError(f"the schema is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("a schema is a JSON object")
    return value


def _as_text(given: Any) -> Any:
    """In a run file the schema may stand as it is, without quotes around it."""
    return json.dumps(given) if isinstance(given, dict) else given


def _is_schema(given: str) -> str:
    check_schema(read_schema(given))
    return given


class ExactConfig(Settings):
    """What counts as equal."""

    ignore_case: bool = False
    """Take capitals and small letters for the same."""


class NumericConfig(Settings):
    """What counts as the same number. The last number of a text counts, or the one behind `####`, as in GSM8K."""

    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-6
    """How far the number may be off, as a share of the reference's (or in itself, where that is below 1)."""


class RegexConfig(Settings):
    """What an answer should match."""

    pattern: Annotated[str, AfterValidator(_compiles)]
    """A regular expression as Python writes them. A dot matches line breaks too."""

    match: Literal["search", "full"] = "search"
    """`search` finds the pattern anywhere in the answer; `full` wants the whole answer to be it."""


class JsonSchemaConfig(Settings):
    """What shape the answer's JSON should have."""

    shape: Annotated[str, BeforeValidator(_as_text), AfterValidator(_is_schema)]
    """A JSON Schema, written here or in the file of this name. It may use type, properties, required,
    additionalProperties, items, enum and const; a schema with anything else is refused, since it would not be held."""


class LengthConfig(Settings):
    """How long an answer should be: a `target`, or `least` and `most`, or one of them."""

    target: Annotated[int | None, Field(gt=0)] = None
    """The best length."""

    least: Annotated[int | None, Field(gt=0)] = None
    """From this length on an answer is long enough."""

    most: Annotated[int | None, Field(gt=0)] = None
    """Up to this length an answer is short enough; at twice this length it gets nothing."""

    unit: Literal["characters", "words"] = "characters"
    """In what it is counted."""

    @model_validator(mode="after")
    def _is_a_length(self) -> LengthConfig:
        if self.target is None and self.least is None and self.most is None:
            raise ValueError("say how long an answer should be: target, least or most")
        if self.target is not None and (self.least is not None or self.most is not None):
            raise ValueError("give either a target, or least and most")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError(f"least {self.least} is more than most {self.most}")
        return self
