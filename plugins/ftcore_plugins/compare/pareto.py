"""Which of several things nothing else beats in everything at once. Pure functions on numbers."""

from __future__ import annotations

from collections.abc import Sequence

Costs = Sequence[float]
"""What one thing costs, the less the better, in the same order for all things."""


def dominates(one: Costs, other: Costs, noise: Costs = ()) -> bool:
    """Whether `one` is nowhere worse than `other`, and somewhere better.

    `noise` is the share of each cost by which two may differ and still be equal; left out, none.

    >>> dominates((1, 2), (1, 3)), dominates((1, 100), (2, 99)), dominates((1, 100), (2, 99), (0, 0.02))
    (True, False, True)
    """
    pairs = [(a - b, abs(b) * share) for a, b, share in zip(one, other, noise or [0.0] * len(one), strict=True)]
    return all(more <= few for more, few in pairs) and any(more < -few for more, few in pairs)


def dominators(costs: Sequence[Costs], noise: Costs = ()) -> list[list[int]]:
    """For each thing the indices of those that dominate it. The Pareto front are those that none dominates.

    >>> dominators([(1, 2), (2, 1), (2, 3)])
    [[], [], [0, 1]]
    """
    return [[at for at, other in enumerate(costs) if dominates(other, own, noise)] for own in costs]
