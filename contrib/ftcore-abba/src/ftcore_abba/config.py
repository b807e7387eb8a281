"""Settings of ABBA."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from ftcore.settings import Settings


def _as_list(value: object) -> object:
    """`q_proj,v_proj`, as one writes it on the command line, is a list."""
    return [word.strip() for word in value.split(",")] if isinstance(value, str) and value != "all-linear" else value


class AbbaConfig(Settings):
    """Each chosen layer answers W·x + s·((B₁A₁) ⊙ (B₂A₂))·x, where W is frozen and ⊙ multiplies entry by entry."""

    rank: Annotated[int, Field(gt=0)] = 8
    """Rank of each of the two pairs. It trains as many numbers as LoRA of twice the rank, and the update may have the
    rank squared."""

    alpha: Annotated[float, Field(gt=0)] = 16
    """The update is scaled by s = alpha²/rank, which keeps its size the same at every rank (theorem 2 of the paper)."""

    targets: Annotated[Literal["all-linear"] | list[str], BeforeValidator(_as_list)] = "all-linear"
    """Layers that get an update: `all-linear` (every linear layer but the head), or a list of names such as
    `q_proj,v_proj`, each of which may be a regular expression for the layer's whole path."""

    @field_validator("targets")
    @classmethod
    def _can_be_searched(cls, value: str | list[str]) -> str | list[str]:
        if not value:
            raise ValueError("name at least one layer, or all-linear")
        for word in value if isinstance(value, list) else []:
            try:
                re.compile(word)
            except re.error as error:
                raise ValueError(f"{word!r} is no regular expression: {error}") from None
        return value
