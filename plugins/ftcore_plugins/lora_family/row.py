"""What a row of the table is made of, and the settings that many rows share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting of a method: what a user types, and the argument of PEFT's configuration that it becomes.

    `bounds` are limits in pydantic's words (`gt`, `lt`, `multiple_of`). A value must divide the widths named in
    `divides` (`in`, `out`) of every layer that gets an update. Without `peft`, the method's class reads it itself.
    """

    name: str
    default: Any
    help: str
    peft: str | None = None
    kind: Any = int
    bounds: Mapping[str, float] = field(default_factory=lambda: {"gt": 0})
    divides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One method: PEFT's configuration class by name, the settings worth having, and what is known of it.

    `formula` says what a layer answers; the first setting is the one that decides how much trains; `fixed` are
    arguments that are not the user's to choose; `conv1d` says whether it takes the layers that GPT-2 is made of; `base`
    is the class in `config.py` that checks settings against each other.
    """

    name: str
    summary: str
    peft: str
    formula: str
    settings: tuple[Setting, ...]
    learning_rate: float
    fixed: Mapping[str, Any] = field(default_factory=dict)
    conv1d: bool = False
    base: str = "FamilySettings"
    factory: str = "ftcore_plugins.lora_family.method:FamilyMethod"


SHARE = {"ge": 0, "lt": 1}


def rank(default: int, peft: str = "r", help: str | None = None, **more: Any) -> Setting:  # noqa: A002
    text = help or "Width of the update's bottleneck: more holds more, and costs more memory."
    return Setting(name="rank", default=default, peft=peft, help=text, **more)


def alpha(default: float, peft: str = "alpha", help: str | None = None) -> Setting:  # noqa: A002
    text = help or "The update is scaled by alpha/rank, so that another rank does not ask for another learning rate."
    return Setting(name="alpha", default=default, peft=peft, kind=float, help=text)


def dropout(peft: str, what: str = "the inputs to the update that is") -> Setting:
    text = f"Share of {what} dropped in training."
    return Setting(name="dropout", default=0.0, peft=peft, kind=float, bounds=SHARE, help=text)
