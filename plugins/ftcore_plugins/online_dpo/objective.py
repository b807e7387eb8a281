"""Which answers make a pair, and the losses: pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor
from torch.nn.functional import logsigmoid

from ftcore.pairs import Pairs

Loss = Callable[[Pairs, float], Tensor]
"""From log ratios, log p(answer) − log p_ref(answer), and β to one loss a pair, (pairs,)."""


def best_and_worst(rewards: Sequence[float], answers: Sequence[object], generations: int) -> list[tuple[int, int]]:
    """The places of the best and of the worst answer to each prompt; `generations` answers in a row are to one prompt.

    A prompt whose answers all got the same reward has no pair, nor has one whose best and worst answer are the same.

    >>> best_and_worst([0.2, 0.7, 0.5, 0.5], ["a", "b", "c", "d"], 2)
    [(1, 0)]
    """
    pairs = []
    for start in range(0, len(rewards), generations):
        group = range(start, start + generations)
        best, worst = max(group, key=rewards.__getitem__), min(group, key=rewards.__getitem__)
        if rewards[best] > rewards[worst] and answers[best] != answers[worst]:
            pairs.append((best, worst))
    return pairs


def sigmoid(ratios: Pairs, beta: float) -> Tensor:
    """DPO (Rafailov et al. 2023, equation 7): −log σ(β·Δ), Δ = log p(y_w)/p_ref(y_w) − log p(y_l)/p_ref(y_l)."""
    return -logsigmoid(beta * (ratios.chosen - ratios.rejected))


def ipo(ratios: Pairs, beta: float) -> Tensor:
    """IPO (Azar et al. 2023, equation 17): (Δ − 1/2β)², with the log ratios of Δ taken a token, as `dpo` does."""
    return (ratios.chosen_mean - ratios.rejected_mean - 1 / (2 * beta)) ** 2


LOSSES: Mapping[str, Loss] = {"sigmoid": sigmoid, "ipo": ipo}
