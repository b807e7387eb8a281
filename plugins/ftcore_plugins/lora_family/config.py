"""The settings model of each row, built from the table: `ftcore_plugins.lora_family.config:vera` and so on."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, ClassVar

from pydantic import Field, create_model, model_validator

from ftcore.settings import KnownAs, Settings
from ftcore_plugins.lora_family.row import Row
from ftcore_plugins.lora_family.table import ROWS
from ftcore_plugins.peft_base.config import Targets

TARGETS = """Layers that get an update: `all-linear` (every linear layer but the head), or a list of names such as
`q_proj,v_proj`, each of which may be a regular expression for the layer's whole path."""


class FamilySettings(Settings):
    """What the settings of all rows share: they know their row."""

    row: ClassVar[Row]


class AdaLoraSettings(FamilySettings):
    @model_validator(mode="after")
    def _can_prune(self) -> AdaLoraSettings:
        """Values come from the table's settings, which pydantic adds below."""
        values: Any = self
        if values.initial_rank <= values.rank:
            raise ValueError(f"initial_rank must be more than rank, {values.rank}: the difference is taken away")
        if values.begin + values.settle >= 1:
            raise ValueError("begin and settle leave no step between them; their sum must be below 1")
        return self


@cache
def __getattr__(name: str) -> type[FamilySettings]:
    if name not in ROWS:
        raise AttributeError(name)
    row = ROWS[name]
    fields: dict[str, Any] = {
        setting.name: (
            Annotated[setting.kind, Field(**setting.bounds), KnownAs(setting.peft or "")],
            Field(setting.default, description=setting.help),
        )
        for setting in row.settings
    }
    fields["targets"] = (Targets, Field("all-linear", description=" ".join(TARGETS.split())))
    model = create_model(
        f"{row.peft.removesuffix('Config')}Settings", __base__=globals()[row.base], __doc__=row.formula, **fields
    )
    model.row = row
    return model
