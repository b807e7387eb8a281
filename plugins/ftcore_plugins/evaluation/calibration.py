"""How far a reward model can be believed: of the pairs of which it is 80 % sure, is it right in 80 %?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

BINS = 5


@dataclass(frozen=True, slots=True)
class Bin:
    """Pairs of like confidence, from `low` up to `high`: how many, how sure the model is of them, how often right."""

    low: float
    high: float
    pairs: int
    confidence: float
    accuracy: float


def reliability(margins: Sequence[float], bins: int = BINS) -> list[Bin]:
    """The pairs by confidence, in bins of equal width from 1/2 to 1; empty ones are left out.

    `margins` are scores of the chosen answers less those of the rejected ones. Under Bradley and Terry a model is sure
    by σ(|margin|), and right where the margin is above 0; a tie is half right.
    """
    found: dict[int, list[tuple[float, float]]] = {}
    for margin in margins:
        confidence = 1 / (1 + math.exp(-abs(margin)))
        right = 0.5 if margin == 0 else float(margin > 0)
        number = min(bins - 1, int((confidence - 0.5) * 2 * bins))
        found.setdefault(number, []).append((confidence, right))
    width = 0.5 / bins
    return [
        Bin(0.5 + number * width, 0.5 + (number + 1) * width, len(pairs), *map(fmean, zip(*pairs, strict=True)))
        for number, pairs in sorted(found.items())
    ]


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """Σ (pairs in the bin / all pairs) · |accuracy − confidence| (Guo et al. 2017, https://arxiv.org/abs/1706.04599,
    equation 3): 0 for a model that is as sure as it is right."""
    pairs = sum(each.pairs for each in bins)
    return sum(each.pairs / pairs * abs(each.accuracy - each.confidence) for each in bins)
