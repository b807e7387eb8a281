"""The formulas of PPO for answers, as pure functions, each with its source. Nothing here knows a model.

Shapes: B answers, T tokens of the longest. `mask_BT` is 1 on an answer's tokens and 0 behind its end.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def masked_mean(values_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """The mean over the tokens of all answers, each token counting the same."""
    return (values_BT * mask_BT).sum() / mask_BT.sum()


def whiten(values_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Shifted and scaled to mean 0 and variance 1 over the tokens; 0 behind an answer's end."""
    mean = masked_mean(values_BT, mask_BT)
    variance = masked_mean((values_BT - mean) ** 2, mask_BT)
    return (values_BT - mean) * torch.rsqrt(variance + 1e-8) * mask_BT


def divergence(log_probs_BT: Tensor, reference_BT: Tensor, estimator: str = "k1") -> Tensor:
    """KL(p ‖ p_ref) estimated from tokens drawn from p, token by token. With d = log p − log p_ref:

        k1 = d    k2 = d² / 2    k3 = exp(−d) − 1 + d

    Schulman 2020, http://joschu.net/blog/kl-approx.html; k1 is Ouyang et al. 2022, https://arxiv.org/abs/2203.02155,
    equation 2.
    """
    difference = log_probs_BT - reference_BT
    if estimator == "k1":
        return difference
    if estimator == "k2":
        return difference**2 / 2
    return torch.exp(-difference) - 1 + difference


def token_rewards(scores_B: Tensor, kl_BT: Tensor, mask_BT: Tensor, price: float) -> Tensor:
    """r_t = −β · KL_t, and the answer's score on its last token besides (Ouyang et al. 2022, equation 2)."""
    rewards_BT = -price * kl_BT * mask_BT
    last_B = mask_BT.sum(dim=1).long() - 1
    rewards_BT[torch.arange(len(scores_B), device=last_B.device), last_B] += scores_B
    return rewards_BT


def gae(
    rewards_BT: Tensor, values_BT: Tensor, mask_BT: Tensor, gamma: float, gae_lambda: float
) -> tuple[Tensor, Tensor]:
    """Advantages and returns, both (B, T), by generalised advantage estimation:

        δ_t = r_t + γ·V_{t+1} − V_t    A_t = Σ_l (γλ)^l δ_{t+l}    R_t = A_t + V_t

    Schulman et al. 2016, https://arxiv.org/abs/1506.02438, equations 11 and 16. Behind an answer's end V is 0.
    """
    values_BT = values_BT * mask_BT
    advantages_BT = torch.zeros_like(values_BT)
    following_B = torch.zeros_like(values_BT[:, 0])
    ahead_B = torch.zeros_like(values_BT[:, 0])
    for t in reversed(range(values_BT.shape[1])):
        delta_B = rewards_BT[:, t] + gamma * ahead_B - values_BT[:, t]
        following_B = (delta_B + gamma * gae_lambda * following_B) * mask_BT[:, t]
        advantages_BT[:, t] = following_B
        ahead_B = values_BT[:, t]
    return advantages_BT, advantages_BT + values_BT


def policy_loss(
    log_probs_BT: Tensor, old_BT: Tensor, advantages_BT: Tensor, mask_BT: Tensor, clip: float
) -> tuple[Tensor, Tensor]:
    """The clipped objective, negated, and the share of tokens on which clipping took effect:

        L = −E[ min(ρ_t A_t, clip(ρ_t, 1 − ε, 1 + ε) A_t) ]    with ρ_t = p(token) / p_old(token)

    Schulman et al. 2017, https://arxiv.org/abs/1707.06347, equation 7.
    """
    ratio_BT = torch.exp(log_probs_BT - old_BT)
    free_BT = -ratio_BT * advantages_BT
    clipped_BT = -ratio_BT.clamp(1 - clip, 1 + clip) * advantages_BT
    loss = masked_mean(torch.maximum(free_BT, clipped_BT), mask_BT)
    return loss, masked_mean((clipped_BT > free_BT).float(), mask_BT)


def value_loss(values_BT: Tensor, old_BT: Tensor, returns_BT: Tensor, mask_BT: Tensor, clip: float) -> Tensor:
    """½ E[ max((V − R)², (clip(V, V_old − ε, V_old + ε) − R)²) ], which keeps V from running away from what the
    advantages were made of (https://github.com/openai/baselines, ppo2)."""
    clipped_BT = torch.minimum(torch.maximum(values_BT, old_BT - clip), old_BT + clip)
    errors_BT = torch.maximum((values_BT - returns_BT) ** 2, (clipped_BT - returns_BT) ** 2)
    return masked_mean(errors_BT, mask_BT) / 2


def explained_variance(values_BT: Tensor, returns_BT: Tensor, mask_BT: Tensor) -> float:
    """1 − Var(R − V) / Var(R): 1 for values that foresee the returns, 0 for such as know nothing, below that for worse.
    0 too where all returns are equal."""
    inside = mask_BT.bool()
    returns, values = returns_BT[inside], values_BT[inside]
    spread = float(returns.var(correction=0))
    return 1 - float((returns - values).var(correction=0)) / spread if spread > 0 else 0.0


@dataclass(slots=True)
class Price:
    """β, what a nat of divergence costs. With a target it rises while the divergence is above it, and falls below:

        e_t = clip((KL − target) / target, −0.2, 0.2)    β_{t+1} = β_t · (1 + K_β · e_t)

    Ziegler et al. 2019, https://arxiv.org/abs/1909.08593, section 2.2.
    """

    value: float
    target: float | None = None
    gain: float = 0.1

    def update(self, kl: float) -> None:
        """`kl` is the divergence of the last answers, in nats an answer."""
        if self.target is not None:
            error = min(0.2, max(-0.2, (kl - self.target) / self.target))
            self.value *= 1 + self.gain * error
