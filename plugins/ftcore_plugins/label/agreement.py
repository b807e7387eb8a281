"""How far judges agree beyond chance, and how sure a share is: pure functions of the votes, and of a project.

Cohen, A coefficient of agreement for nominal scales, 1960; Krippendorff, Content Analysis, 2018, chapter 12;
Wilson, Probable inference, 1927; Clopper and Pearson, The use of confidence or fiducial limits, 1934.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

from ftcore_plugins.label.project import Judgement
from ftcore_plugins.label.verdicts import SKIP


def cohens_kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """(observed - expected) / (1 - expected) for two judges' votes on the same items.

    None where it is not defined: without items, or when both judges only ever said one and the same.
    """
    if not pairs:
        return None
    ones, others = (Counter(side) for side in zip(*pairs, strict=True))
    observed = sum(one == other for one, other in pairs) / len(pairs)
    expected = sum(ones[value] * others[value] for value in ones) / len(pairs) ** 2
    return None if expected == 1 else (observed - expected) / (1 - expected)


def krippendorffs_alpha(units: Iterable[Sequence[Hashable]]) -> float | None:
    """1 - observed / expected disagreement for nominal votes; a unit holds the votes on one item, of any number of
    judges. Units with fewer than two votes do not count. None where it is not defined."""
    totals: Counter[Hashable] = Counter()
    disagreement = 0.0
    for unit in units:
        if len(unit) < 2:
            continue
        votes = Counter(unit)
        totals += votes
        disagreement += (len(unit) ** 2 - sum(count**2 for count in votes.values())) / (len(unit) - 1)
    everything = totals.total()
    expected = everything**2 - sum(count**2 for count in totals.values())
    return 1 - (everything - 1) * disagreement / expected if expected else None


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share. Raises ValueError without trials."""
    _must_count(successes, trials)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval: the shares under which so few, or so many, successes are not too unlikely.

    Raises ValueError without trials.
    """
    _must_count(successes, trials)
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else _share_at(tail, lambda p: _at_least(successes, trials, p))
    high = 1.0 if successes == trials else 1 - _share_at(tail, lambda p: _at_least(trials - successes, trials, p))
    return low, high


def _share_at(tail: float, probability: object) -> float:
    """Where a rising function of a share reaches `tail`, by halving: 50 halvings leave an error below 1e-15."""
    assert callable(probability)
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if probability(middle) < tail else (low, middle)
    return (low + high) / 2


def _at_least(successes: int, trials: int, share: float) -> float:
    """The probability of that many successes or more, of independent trials."""
    whole, log, other = math.lgamma(trials + 1), math.log(share), math.log1p(-share)
    return math.fsum(
        math.exp(whole - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * log + (trials - k) * other)
        for k in range(successes, trials + 1)
    )


def _must_count(successes: int, trials: int) -> None:
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} of {trials} is no share")


@dataclass(frozen=True, slots=True)
class Agreement:
    """What is said of a project: `value` None means that it cannot be said yet."""

    measure: str
    value: float | None
    items: int
    """Items that at least two people judged."""


def agreement(task: str, judgements: Sequence[Judgement]) -> Agreement:
    """Cohen's kappa between two judges, Krippendorff's alpha among more. Skips do not count.

    A ranking is taken apart into its pairs: which of the two is better, or neither.
    """
    votes: dict[Hashable, dict[int, Hashable]] = defaultdict(dict)
    for each in judgements:
        if each.item is not None and each.choice != SKIP:
            for unit, vote in _votes(task, each):
                votes[each.item, unit][each.judge] = vote
    shared = [unit for unit in votes.values() if len(unit) > 1]
    items = len({item for (item, _), unit in votes.items() if len(unit) > 1})  # type: ignore[misc]
    judges = sorted({judge for unit in shared for judge in unit})
    if len(judges) <= 2:
        pairs = [(unit[judges[0]], unit[judges[1]]) for unit in shared]
        return Agreement("Cohen's kappa", cohens_kappa(pairs), items)
    return Agreement("Krippendorff's alpha", krippendorffs_alpha([list(unit.values()) for unit in shared]), items)


def _votes(task: str, judgement: Judgement) -> Iterable[tuple[Hashable, Hashable]]:
    if task != "rankings":
        yield 0, "bad" if judgement.choice == "edited" else judgement.choice
        return
    places = judgement.detail["places"]
    for one, other in combinations(range(len(places)), 2):
        yield (one, other), (places[one] > places[other]) - (places[one] < places[other])
