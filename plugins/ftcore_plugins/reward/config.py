"""Settings of reward models: how one learns, and which one a later run asks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ftcore.settings import Settings


class RewardConfig(Settings):
    """What a score should say. In what follows s is the score of the chosen answer, and t that of the rejected one."""

    template: Literal["chat", "none"] = "chat"
    """`chat` renders rows with the model's chat template, as answers will be scored; `none` joins prompt and answer as
    they are."""

    margins: bool = True
    """Ask for s − t to be as large as the row's margin says, where it says one: −log σ(s − t − margin), as Llama 2
    does (arXiv:2307.09288, equation 2). Otherwise −log σ(s − t)."""

    center: Annotated[float, Field(ge=0)] = 0.0
    """Weight of (s + t)², which keeps scores around zero (arXiv:2312.09244, equation 2; 0.01 there). Pairs alone say
    nothing about where zero is."""


class ModelConfig(Settings):
    """Which reward model is asked."""

    run: str
    """The folder of a finished run of the strategy `reward`."""

    batch_size: Annotated[int, Field(gt=0)] = 16
    """Answers that are scored at once."""
