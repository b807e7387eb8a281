"""Numbers and samples from what the session already knows how to get; nothing here generates or computes a loss."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING

from ftcore.run.rewards import RewardFunctions
from ftcore.types import Evaluation
from ftcore_plugins.evaluation.config import SamplesConfig

if TYPE_CHECKING:
    from ftcore.run.plan import Plan
    from ftcore.run.session import Session


class Loss:
    """`loss` is the strategy's own, in nats a learned token for `sft`; `perplexity` is its exponential.

    Perplexity is left out where the loss is no mean negative log-likelihood, as for preferences. A strategy that learns
    from what the model writes has no loss of rows at all.
    """

    def evaluate(self, session: Session) -> Evaluation:
        if session.plan.strategy.spec.generates:
            return Evaluation({})
        loss = session.heldout_loss()
        metrics = {"loss": loss}
        if _is_likelihood(session.plan):
            # Beyond e^700 there is no float, and nothing to tell apart either.
            metrics["perplexity"] = math.exp(min(loss, 700.0))
        return Evaluation(metrics)


def _is_likelihood(plan: Plan) -> bool:
    kinds = set(plan.strategy.spec.examples)
    return kinds <= {"chat", "text"} and getattr(plan.strategy.settings, "loss", "nll") == "nll"


class ExactMatch:
    """`exact_match`, between 0 and 1: answers equal to the reference when spaces at both ends are taken off both."""

    def evaluate(self, session: Session) -> Evaluation:
        samples = session.samples()
        if not samples:
            return Evaluation({})
        equal = sum(sample.output.strip() == sample.reference.strip() for sample in samples)
        return Evaluation({"exact_match": equal / len(samples)})


class Samples:
    """The first few answers, and no number."""

    def __init__(self, config: SamplesConfig) -> None:
        self.count = config.count

    def evaluate(self, session: Session) -> Evaluation:
        return Evaluation({}, tuple(session.samples()[: self.count]))


class Rewards:
    """`reward` is the mean over held-out answers of Σ weight · score, over the run's reward functions.

    Each function's own mean stands beside it, unweighted and named after it, where that says something else.
    """

    def evaluate(self, session: Session) -> Evaluation:
        samples, functions = session.samples(), RewardFunctions(session.plan.rewards, session.folder)
        if not samples or not functions.weights:
            return Evaluation({})
        scores = functions.scores(samples)
        metrics = {"reward": fmean(functions.totals(scores))}
        if set(functions.weights.values()) != {1.0} or len(functions.weights) > 1:
            given = {label: [score for score in column if score is not None] for label, column in scores.items()}
            metrics |= {_metric(label): fmean(column) for label, column in given.items() if column}
        return Evaluation(metrics, better=dict.fromkeys(metrics, "up"))


def _metric(label: str) -> str:
    return f"{label.replace('-', '_')}_reward"
