"""Settings of proximal policy optimisation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ftcore_plugins.rollouts.config import Writing


class PpoConfig(Writing):
    """How answers are written, what moving away from the untuned model costs, and how hard a rollout is learned from.

    A step answers `train.batch_size` prompts, and then learns from the answers in `passes` × `minibatches` updates.
    `train.micro_batch_size` answers are in memory at once.
    """

    missing_eos_penalty: Annotated[float, Field(ge=0)] = 0.0
    """Taken off the reward of an answer that does not end within `max_new_tokens`."""

    kl: Annotated[float, Field(ge=0)] = 0.05
    """Price of moving away from the untuned model: so much reward for each nat of KL divergence."""

    kl_target: Annotated[float | None, Field(gt=0)] = None
    """Change the price as training goes on, so that the divergence comes to so many nats an answer. Left out: the price
    stays."""

    kl_gain: Annotated[float, Field(gt=0)] = 0.1
    """How fast the price follows the target: at most by a fifth of this share a step (arXiv:1909.08593)."""

    kl_estimator: Literal["k1", "k2", "k3"] = "k1"
    """How the divergence is estimated from the tokens drawn: `k1` is log p − log p_ref, right on average, as in
    InstructGPT; `k3` is never negative and varies less; `k2` is biased and varies least
    (http://joschu.net/blog/kl-approx.html)."""

    passes: Annotated[int, Field(gt=0)] = 4
    """How often each answer is learned from before new ones are written."""

    minibatches: Annotated[int, Field(gt=0)] = 1
    """Into how many updates a pass is cut."""

    clip: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """A token's probability counts as changed by no more than this share in one step (ε)."""

    value_clip: Annotated[float, Field(gt=0)] = 0.2
    """The predicted return counts as changed by no more than this in one step."""

    value_weight: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the value head's loss, by which it also moves the model."""

    value_rate: Annotated[float, Field(gt=0)] = 10.0
    """Learning rate of the value head as a multiple of the model's. It starts from nothing."""

    gamma: Annotated[float, Field(gt=0, le=1)] = 1.0
    """What a reward one token later is worth now."""

    gae_lambda: Annotated[float, Field(ge=0, le=1)] = 0.95
    """1 takes the rewards as they came, 0 what the value head expects of the next token: less noise, more bias."""
