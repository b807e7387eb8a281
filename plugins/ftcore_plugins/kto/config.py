"""Settings of Kahneman–Tversky optimisation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ftcore.settings import KnownAs, Settings


class KtoConfig(Settings):
    """How good and bad answers are weighed against each other (https://arxiv.org/abs/2402.01306)."""

    template: Literal["chat", "none"] = "chat"
    """`chat` renders rows with the model's chat template, as they will be at inference; `none` joins prompt and answer
    as they are."""

    loss: Literal["kto", "apo_zero_unpaired"] = "kto"
    """`kto` measures an answer against how far the model has moved on answers to other prompts; `apo_zero_unpaired`
    against nothing (arXiv:2408.06266)."""

    beta: Annotated[float, Field(gt=0), KnownAs("pref_beta", "kto_beta")] = 0.1
    """How dear it is to move away from the untuned model."""

    good_weight: Annotated[float | None, Field(gt=0)] = None
    """Weight of a good answer. Left out: so that good and bad ones weigh the same in all, and none less than 1."""

    bad_weight: Annotated[float | None, Field(gt=0)] = None
    """Weight of a bad answer, likewise."""

    def weights(self, good: int, bad: int) -> tuple[float, float]:
        """The weights of a good and of a bad answer, where there are so many of each, and some of both."""
        if self.good_weight is None and self.bad_weight is None:
            return max(1.0, bad / good), max(1.0, good / bad)
        return (
            self.bad_weight * bad / good if self.good_weight is None else self.good_weight,
            self.good_weight * good / bad if self.bad_weight is None else self.bad_weight,
        )
