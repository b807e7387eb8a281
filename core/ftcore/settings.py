"""The base of every settings model: frozen, strict about names, and documented by the text under each field.

Deliberately apart from the records: importing pydantic takes longer than listing all plugins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ftcore.errors import FtcoreError, UsageError, by_its_letter, closest
from ftcore.types import Secret


class Settings(BaseModel):
    """Settings of a component. The docstring under a field is its help text.

    >>> class LoraConfig(Settings):
    ...     rank: int = 16
    ...     \"\"\"Width of the update's bottleneck.\"\"\"
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=())

    def secrets(self) -> Iterable[Secret]:
        """Environment variables whose values the component sends somewhere. The plan shows them, and where a file names
        them for another machine, somebody has to agree on the line."""
        return ()


class KnownAs:
    """Names that other frameworks have for a setting. They are no names of it here, but lead an error to it.

    >>> rank: Annotated[int, Field(gt=0), KnownAs("lora_r", "r")] = 16

    `alike` says that a value means the same there, so that the error may repeat it.
    """

    def __init__(self, *names: str, alike: bool = True) -> None:
        self.names, self.alike = names, alike


def called(word: str, value: Any, fields: Mapping[str, Any]) -> tuple[str, Any] | None:
    """The setting that has this name, here or elsewhere, with what an error may repeat of the value."""
    word = word.lower().replace("-", "_")
    if word in fields:
        return word, shown(word, value)
    for name, field in fields.items():
        for known in field.metadata:
            if isinstance(known, KnownAs) and word in known.names:
                return name, shown(name, value) if known.alike else "…"
    return None


def meant(word: str, value: Any, fields: Mapping[str, Any]) -> tuple[str, Any] | None:
    """As `called`, or else the setting that is spelled nearly so, or that a paper calls by this letter."""
    helps = {name: field.description or "" for name, field in fields.items()}
    near = closest(word, helps) or by_its_letter(word, helps)
    return called(word, value, fields) or ((near, shown(word, value)) if near else None)


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
        fields = _fields(model, path[:-1])
        setting = meant(path[-1], detail["input"], fields)
        full = ".".join([*key.split(".")[:-1], setting[0]]) if setting else None
        return UsageError(
            f"there is no setting {key!r}" + (f" (did you mean {full!r}?)" if full else ""),
            where=place if place != key else None,
            value=given,
            fix=_in_its_place(place, key, *setting) if setting else None,
            more=[] if setting else [f"settings here: {', '.join(fields) or 'none'}"],
        )
    message = detail["msg"].removeprefix("Value error, ")
    is_named = place.removeprefix("--") == key
    what = f"{'' if is_named else f'{key}: '}{message[:1].lower()}{message[1:]}"
    value = None if detail["type"] == "missing" else repr(given)
    near = closest(given, re.findall("'([^']+)'", detail["ctx"]["expected"])) if _is_misspelt(detail) else None
    guess = f" (did you mean {near!r}?)" if near else ""
    return UsageError(
        what + guess, where=place, value=value, fix=_in_its_place(place, key, path[-1], near) if near else None
    )


def _in_its_place(place: str, key: str, name: str, value: Any) -> str:
    """What to type; of what stands in a run file, what to write there, since an option would not take it away."""
    if place == key or place.startswith("--"):
        return f"--{'.'.join([*key.split('.')[:-1], name])} {value}"
    from ftcore.run.runfile import in_one_line  # PyYAML, for the few lines that are wrong

    return f"{in_one_line({name: value})[1:-1]}  # in its place"


def _is_misspelt(detail: Any) -> bool:
    """Whether a word was given where another of a few is taken."""
    return detail["type"] == "literal_error" and isinstance(detail["input"], str) and bool(detail["input"])


def shown(name: str, value: Any) -> Any:
    """What an error may show of a setting: of a secret nothing, even where there is no such setting.

    >>> shown("api_key", "sk-123")
    '…'
    """
    return "…" if re.search(r"(^|[-_])(key|secret|password|token)$", name, re.IGNORECASE) else value


def _fields(model: Any, path: list[str]) -> Mapping[str, Any]:
    """The settings there, as pydantic describes them."""
    for part in path:
        field = getattr(model, "model_fields", {}).get(part)
        model = field.annotation if field else None
    return getattr(model, "model_fields", {})
