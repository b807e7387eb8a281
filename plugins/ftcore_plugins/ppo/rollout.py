"""One rollout: prompts answered by the policy, the answers rewarded, and made into what there is to learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ftcore.run.rewards import RewardFunctions
from ftcore.types import Sample
from ftcore_plugins.ppo import objective
from ftcore_plugins.ppo.policy import Said, Side

if TYPE_CHECKING:
    from ftcore.run.generate import Written
    from ftcore_plugins.ppo.config import PpoConfig


@dataclass(frozen=True, slots=True)
class Rollout:
    """What a step learns from. All tensors are (answers, tokens of the longest answer)."""

    sides: Sequence[Side]
    old_log_probs: Tensor
    old_values: Tensor
    advantages: Tensor
    returns: Tensor
    mask: Tensor

    def __len__(self) -> int:
        return len(self.sides)

    def part(self, rows: Sequence[int]) -> Rollout:
        """Some of the answers, no wider than the longest of them."""
        sides = [self.sides[row] for row in rows]
        width = max(len(answer) for _, answer in sides)
        tensors = (self.old_log_probs, self.old_values, self.advantages, self.returns, self.mask)
        return Rollout(sides, *(tensor[list(rows), :width] for tensor in tensors))


@dataclass(frozen=True, slots=True)
class Rewarded:
    """The reward of each answer, what each function said of it, and what the step's log says of them all."""

    totals: list[float]
    scores: list[dict[str, float | None]]
    metrics: dict[str, float]


def reward(
    functions: RewardFunctions, samples: Sequence[Sample], written: Sequence[Written], penalty: float
) -> Rewarded:
    """Ask the run's reward functions. Raises PluginError, naming the sample, for what is no reward."""
    scores = functions.scores(samples)
    totals = functions.totals(scores)
    metrics = {"reward": fmean(totals), "ended": fmean(answer.ended for answer in written)}
    if len(scores) > 1:
        given = {label: [score for score in column if score is not None] for label, column in scores.items()}
        metrics |= {f"reward_{label}": fmean(column) for label, column in given.items() if column}
    kept = [total if answer.ended else total - penalty for total, answer in zip(totals, written, strict=True)]
    by_answer = [dict(zip(scores, row, strict=True)) for row in zip(*scores.values(), strict=True)]
    return Rewarded(kept, by_answer, metrics)


def learnable(
    sides: Sequence[Side], said: Said, reference_BT: Tensor, totals: Sequence[float], price: float, config: PpoConfig
) -> tuple[Rollout, Mapping[str, float]]:
    """Rewards less the price of divergence, as advantages and returns; and what the log says of them."""
    lengths = [len(answer) for _, answer in sides]
    mask_BT = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).to(said.values)
    kl_BT = objective.divergence(said.log_probs, reference_BT, config.kl_estimator) * mask_BT
    scores_B = torch.tensor(totals).to(said.values)
    rewards_BT = objective.token_rewards(scores_B, kl_BT, mask_BT, price)
    advantages_BT, returns_BT = objective.gae(rewards_BT, said.values, mask_BT, config.gamma, config.gae_lambda)
    advantages_BT = objective.whiten(advantages_BT, mask_BT)
    rollout = Rollout(sides, said.log_probs, said.values, advantages_BT, returns_BT, mask_BT)
    return rollout, {
        "kl": float(kl_BT.sum(dim=1).mean()),
        "entropy": float(objective.masked_mean(said.entropy, mask_BT)),
        "explained_variance": objective.explained_variance(said.values, returns_BT, mask_BT),
        "answer_tokens": fmean(lengths),
    }
