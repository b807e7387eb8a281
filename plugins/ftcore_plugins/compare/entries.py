"""What is to be compared, as it is typed: `lora,lora:rank=64,full`, each a method with settings of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ftcore.errors import UsageError

_ENTRY = re.compile(r"(?P<method>[^:=]+)(?::(?P<setting>.*))?", re.DOTALL)
_SETTING = re.compile(r"(?P<key>[A-Za-z][\w.-]*)=(?P<value>.*)", re.DOTALL)
_LIST = re.compile(r"\[(.+)\]", re.DOTALL)
_COMMA = re.compile(r",(?![^\[\]]*\])")  # but those of a list of values


@dataclass(frozen=True, slots=True)
class Entry:
    """One method with the settings that are its own. `name` is how it was typed, `slug` what its folder is called.

    A key without a dot is a setting of the method; any other is that of a run: `train.learning_rate`.
    """

    name: str
    method: str
    settings: tuple[tuple[str, str], ...] = ()
    slug: str = field(default="", compare=False)


def entries(texts: Sequence[str]) -> list[Entry]:
    """The entries of a list such as `lora:rank=8,alpha=16,full`. A setting belongs to the method before it.

    Several values stand in brackets, `lora:targets=[q_proj,v_proj]`, or each behind its key. Raises UsageError.
    """
    found: list[Entry] = []
    for part in (part.strip() for text in texts for part in _COMMA.split(text)):
        setting, entry = _SETTING.fullmatch(part), _ENTRY.fullmatch(part)
        if setting and found:
            found[-1] = _with(found[-1], part, f"{found[-1].name}{',' if found[-1].settings else ':'}{part}")
        elif entry and not setting:
            plain = Entry(entry["method"], entry["method"])
            found.append(plain if entry["setting"] is None else _with(plain, entry["setting"], part))
        elif not part:
            raise UsageError(
                "a method's name is missing", where="--methods", value=",".join(texts), fix="--methods lora,full"
            )
        else:
            raise UsageError("no method stands before it", where="--methods", value=part, fix="--methods lora,full")
    for one in found:
        if found.count(one) > 1:
            once = ",".join(dict.fromkeys(each.name for each in found))
            raise UsageError(f"{one.name} stands twice", where="--methods", fix=f"--methods {once}")
    return _with_slugs(found)


def _with(entry: Entry, text: str, name: str) -> Entry:
    setting = _SETTING.fullmatch(text)
    if not setting:
        raise UsageError(
            "a setting is written KEY=VALUE", where="--methods", value=name, fix=f"--methods {entry.method}:KEY=VALUE"
        )
    key = setting["key"].replace("-", "_")
    dotted = key if "." in key else f"method.{key}"
    listed = _LIST.fullmatch(setting["value"].strip())
    values = [value.strip() for value in listed[1].split(",")] if listed else [setting["value"]]
    return replace(entry, name=name, settings=(*entry.settings, *((dotted, value) for value in values)))


def _with_slugs(found: list[Entry]) -> list[Entry]:
    taken: set[str] = set()
    result = []
    for entry in found:
        plain = re.sub(r"[^\w.]+", "-", entry.name).strip("-.") or "run"
        numbered = (plain if number == 1 else f"{plain}-{number}" for number in range(1, len(found) + 1))
        slug = next(slug for slug in numbered if slug.casefold() not in taken)
        taken.add(slug.casefold())
        result.append(replace(entry, slug=slug))
    return result
