"""Settings of LoRA and its variants, shared with QLoRA."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from ftcore.settings import KnownAs, Settings
from ftcore_plugins.peft_base.config import Names, Targets


class LoraConfig(Settings):
    """Each chosen layer answers W·x + (alpha/rank)·B·A·x, where W is frozen, A has `rank` rows and B `rank` columns."""

    rank: Annotated[int, Field(gt=0), KnownAs("r", "lora_r", "lora_rank")] = 16
    """Width of the update's bottleneck: more holds more, and costs more memory."""

    alpha: Annotated[float, Field(gt=0), KnownAs("lora_alpha")] = 32
    """The update is scaled by alpha/rank, so that another rank does not ask for another learning rate."""

    dropout: Annotated[float, Field(ge=0, lt=1), KnownAs("lora_dropout")] = 0.0
    """Share of the inputs to the update that is dropped in training."""

    targets: Annotated[Targets, KnownAs("target_modules", "lora_target", "lora_target_modules")] = "all-linear"
    """Layers that get an update: `all-linear` (every linear layer but the head), or a list of names such as
    `q_proj,v_proj`, each of which may be a regular expression for the layer's whole path."""

    rslora: bool = False
    """Scale by alpha/√rank instead, which keeps high ranks learning (https://arxiv.org/abs/2312.03732)."""

    dora: bool = False
    """Learn the length of each output's weights apart from their direction (https://arxiv.org/abs/2402.09353).
    Better at low ranks, and slower."""

    init: str = "default"
    """Where A and B start: `default` (B is zero), `gaussian`, `orthogonal`, or from the weights themselves: `pissa`
    (their strongest directions, https://arxiv.org/abs/2404.02948; `pissa_niter_4` finds them quickly and nearly),
    `olora` (https://arxiv.org/abs/2406.01775). The last two are saved as a plain LoRA of twice the rank."""

    plus_ratio: Annotated[float | None, Field(gt=0)] = None
    """Learning rate of B as a multiple of A's; LoRA+ finds 16 a good one (https://arxiv.org/abs/2402.12354)."""

    modules_to_save: Names = []  # noqa: RUF012 - pydantic copies it
    """Modules that train whole and are saved beside the adapters, such as `embed_tokens` when tokens were added."""

    @field_validator("init")
    @classmethod
    def _known_start(cls, value: str) -> str:
        if not re.fullmatch(r"default|gaussian|orthogonal|pissa(_niter_[1-9][0-9]*)?|olora", value):
            raise ValueError("one of default, gaussian, orthogonal, pissa, pissa_niter_N, olora")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> LoraConfig:
        if self.dora and self.starts_from_weights:
            # DoRA divides by the length of W + BA, so what PiSSA moves from W into BA does not cancel out.
            raise ValueError(f"dora cannot start from the weights; leave out init {self.init}")
        if self.init == "orthogonal" and self.rank % 2:
            raise ValueError("init orthogonal needs an even rank")
        return self

    @property
    def starts_from_weights(self) -> bool:
        """Whether A and B start as a part of W, so that B·A is not zero before training."""
        return self.init.startswith(("pissa", "olora"))
