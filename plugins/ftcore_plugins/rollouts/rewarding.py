"""What the run's reward functions say of a step's answers, and of held-out ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from ftcore.run.rewards import RewardFunctions
from ftcore.types import Sample

if TYPE_CHECKING:
    from ftcore.run.generate import Written
    from ftcore.run.session import Session


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


def heldout_loss(session: Session, functions: RewardFunctions) -> dict[str, float]:
    """The mean reward of what the model writes for the held-out prompts, negated to be a loss."""
    totals = functions.totals(functions.scores(session.samples()))
    return {"eval_loss": -fmean(totals) if totals else 0.0}
