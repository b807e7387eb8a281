"""Which of several things nothing else beats in everything at once. Pure functions on numbers."""

from __future__ import annotations

from collections.abc import Sequence

Costs = Sequence[float]
"""What one thing costs, the less the better, in the same order for all things."""


def dominates(one: Costs, other: Costs) -> bool:
    """Whether `one` is nowhere worse than `other`, and somewhere better.

    >>> dominates((1, 2), (1, 3))
    True
    """
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def dominators(costs: Sequence[Costs]) -> list[list[int]]:
    """For each thing the indices of those that dominate it. The Pareto front are those that none dominates.

    >>> dominators([(1, 2), (2, 1), (2, 3)])
    [[], [], [0, 1]]
    """
    return [[at for at, other in enumerate(costs) if dominates(other, own)] for own in costs]
