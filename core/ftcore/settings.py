"""The base of every settings model: frozen, strict about names, and documented by the text under each field.

Deliberately apart from the records: importing pydantic takes longer than listing all plugins.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ftcore.errors import FtcoreError, UsageError, by_its_letter, closest


class Settings(BaseModel):
    """Settings of a component. The docstring under a field is its help text.

    >>> class LoraConfig(Settings):
    ...     rank: int = 16
    ...     \"\"\"Width of the update's bottleneck.\"\"\"
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=())


def validate(
    model: type[Settings], values: dict[str, Any], section: str, where: Any = None, strict: bool = False
) -> Settings:
    """Build settings from what a user wrote. Raises UsageError that names every key at fault.

    `section` is the prefix of the keys (`method`); `where` is a function from a key to its place in the run file.
    What is `strict` takes no text for a number.
    """
    try:
        return model.model_validate(values, strict=strict or None)
    except ValidationError as error:
        problems = [_problem(detail, model, section, where) for detail in error.errors()]
    first = problems[0]
    if len(problems) == 1:
        raise first
    more = [f"{problem.where or ''}: {problem.what}" for problem in problems[1:]]
    raise UsageError(first.what, where=first.where, value=first.value, fix=first.fix, more=more)


def _problem(detail: Any, model: type[Settings], section: str, where: Any) -> FtcoreError:
    path = [str(part) for part in detail["loc"]]
    key = ".".join([section, *path]) if section else ".".join(path)
    place = (where(key) if where else None) or key
    given = shown(path[-1] if path else "", detail["input"])
    if detail["type"] == "extra_forbidden":
        known = _fields(model, path[:-1])
        near = closest(path[-1], known) or by_its_letter(path[-1], known)
        prefix = key.rpartition(".")[0]
        fix = f"{prefix}.{near}" if near and prefix else near
        return UsageError(
            f"there is no setting {key!r}" + (f" (did you mean {fix!r}?)" if fix else ""),
            where=place if place != key else None,
            value=given,
            fix=f"--{fix} {given}" if fix else None,
            more=[] if fix else [f"settings here: {', '.join(known) or 'none'}"],
        )
    message = detail["msg"].removeprefix("Value error, ")
    is_named = place.removeprefix("--") == key
    what = f"{'' if is_named else f'{key}: '}{message[:1].lower()}{message[1:]}"
    value = None if detail["type"] == "missing" else repr(given)
    near = closest(given, re.findall("'([^']+)'", detail["ctx"]["expected"])) if _is_misspelt(detail) else None
    guess, fix = (f" (did you mean {near!r}?)", f"--{key} {near}") if near else ("", None)
    return UsageError(what + guess, where=place, value=value, fix=fix)


def _is_misspelt(detail: Any) -> bool:
    """Whether a word was given where another of a few is taken."""
    return detail["type"] == "literal_error" and isinstance(detail["input"], str) and bool(detail["input"])


def shown(name: str, value: Any) -> Any:
    """What an error may show of a setting: of a secret nothing, even where there is no such setting.

    >>> shown("api_key", "sk-123")
    '…'
    """
    return "…" if re.search(r"(^|_)(key|secret|password|token)$", name, re.IGNORECASE) else value


def _fields(model: Any, path: list[str]) -> dict[str, str]:
    """The settings there, each with what it does."""
    for part in path:
        field = getattr(model, "model_fields", {}).get(part)
        model = field.annotation if field else None
    return {name: field.description or "" for name, field in getattr(model, "model_fields", {}).items()}
