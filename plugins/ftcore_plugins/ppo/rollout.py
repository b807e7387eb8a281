"""One rollout: answers and their rewards, made into what there is to learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ftcore_plugins.ppo import objective
from ftcore_plugins.ppo.policy import Said

if TYPE_CHECKING:
    from ftcore_plugins.ppo.config import PpoConfig
    from ftcore_plugins.rollouts.trainer import Side


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
