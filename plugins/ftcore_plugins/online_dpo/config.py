"""Settings of online direct preference optimisation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ftcore.settings import KnownAs
from ftcore_plugins.rollouts.config import Writing


class OnlineDpoConfig(Writing):
    """How answers are written, and how a pair of them is scored (https://arxiv.org/abs/2402.04792).

    A step answers `train.batch_size` prompts, each `generations` times. `train.micro_batch_size` pairs are learned from
    at once.
    """

    generations: Annotated[int, Field(ge=2), KnownAs("num_generations")] = 2
    """Answers to each prompt. Of more than two, the one with the highest reward and the one with the lowest make the
    pair."""

    missing_eos_penalty: Annotated[float, Field(ge=0)] = 0.0
    """Taken off the reward of an answer that does not end within `max_new_tokens`."""

    loss: Literal["sigmoid", "ipo"] = "sigmoid"
    """As in `dpo`, with Δ the difference, chosen minus rejected, of log p(answer) − log p_ref(answer): `sigmoid` is
    −log σ(β·Δ) (arXiv:2305.18290); `ipo` is (Δ a token − 1/2β)² and does not overfit to certain labels (2310.12036)."""

    beta: Annotated[float, Field(gt=0)] = 0.1
    """How dear it is to move away from the untuned model; τ for `ipo`."""
