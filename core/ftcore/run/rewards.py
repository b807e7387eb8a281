"""Asking the run's reward functions, and refusing what is no reward before it can spoil a mean or a gradient.

Strategies that learn from rewards and the evaluator that shows them both come here, so both see the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ftcore.errors import FtcoreError, PluginError, short
from ftcore.loading.blame import culprit
from ftcore.loading.words import definition
from ftcore.protocols import RememberingReward, Reward
from ftcore.run.plan import RewardChoice
from ftcore.types import Sample

Scores = Mapping[str, Sequence[float | None]]
"""By a function's label, one number a sample; None where it needs a reference answer and there is none."""


class RewardFunctions:
    """The functions of a run, built once. Some keep their scores in its folder.

    >>> functions = RewardFunctions(session.plan.rewards, session.folder)
    >>> functions.totals(functions.scores(session.samples()))
    [1.5, 0.0, …]
    """

    def __init__(self, chosen: Sequence[RewardChoice], folder: Path | None = None) -> None:
        names = [choice.function.spec.name for choice in chosen]
        # A function may stand twice, with other settings: `regex`, `regex-2`.
        labels = [name if (nth := names[:i].count(name)) == 0 else f"{name}-{nth + 1}" for i, name in enumerate(names)]
        self._functions = [
            (label, choice, choice.function.build()) for label, choice in zip(labels, chosen, strict=True)
        ]
        for _, _, function in self._functions:
            if folder and isinstance(function, RememberingReward):
                function.remember(folder)

    @property
    def weights(self) -> dict[str, float]:
        """How much each function counts, by its label."""
        return {label: choice.settings.weight for label, choice, _ in self._functions}

    def scores(self, samples: Sequence[Sample]) -> Scores:
        """What each function says of each sample. Raises PluginError, naming the sample, for what is no reward."""
        return {label: _scores(choice, function, samples) for label, choice, function in self._functions}

    def totals(self, scores: Scores) -> list[float]:
        """The reward of each sample: the sum of its scores, each times its function's weight."""
        weighted = [
            [weight * score if score is not None else 0.0 for score in scores[label]]
            for label, weight in self.weights.items()
        ]
        return [math.fsum(column) for column in zip(*weighted, strict=True)]


def _scores(choice: RewardChoice, function: Reward, samples: Sequence[Sample]) -> list[float | None]:
    asked = [s for s in samples if s.reference.strip() or not choice.function.spec.needs_reference]
    given = iter(_numbers(choice, function, asked))
    judged = {id(sample) for sample in asked}
    return [next(given) if id(sample) in judged else None for sample in samples]


def _numbers(choice: RewardChoice, function: Reward, samples: Sequence[Sample]) -> list[float]:
    if not samples:
        return []
    given = _ask(choice, function, samples)
    if len(given) != len(samples):
        raise _broken(choice, function, f"gave {len(given)} scores for {len(samples)} answers", samples[0])
    numbers = []
    for sample, score in zip(samples, given, strict=True):
        try:
            number = float(score)
        except (TypeError, ValueError):
            raise _broken(choice, function, f"gave {score!r}, which is no number", sample) from None
        if not math.isfinite(number):
            raise _broken(choice, function, f"gave {number}, which is not finite", sample)
        numbers.append(number)
    return numbers


def _ask(choice: RewardChoice, function: Reward, samples: Sequence[Sample]) -> list[float]:
    try:
        given: Any = function.scores(samples)
        if given is not None:
            return list(given)
    except FtcoreError:
        raise
    except Exception as error:
        what = f"raised {type(error).__name__}: {error}"
        at = culprit(error, [choice.function.plugin])
        raise _broken(choice, function, what, _sample(function, samples), at and at[1]) from error
    raise _broken(choice, function, "gave None, not a list of scores; is a return missing?", samples[0])


def _sample(function: Reward, samples: Sequence[Sample]) -> Sample:
    """The first sample that makes the function raise by itself; the first of all when none does."""
    for sample in samples:
        try:
            function.scores([sample])
        except Exception:
            return sample
    return samples[0]


def _broken(choice: RewardChoice, function: Reward, what: str, sample: Sample, at: str | None = None) -> PluginError:
    plugin = choice.function.plugin
    return PluginError(
        f"the reward function {choice.function.spec.name!r} {what}",
        where=at or definition(function.scores) or plugin.place,
        fix=f"ftcore plugins check {f'--plugin {plugin.module}' if plugin.is_file else plugin.name}",
        more=[f"prompt: {short(sample.prompt)!r}", f"answer: {short(sample.output)!r}"],
    )
