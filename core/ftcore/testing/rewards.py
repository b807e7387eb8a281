"""The contract of reward functions: one finite number a sample, whatever stands beside it.

    from ftcore.testing.rewards import RewardContract

    class TestShort(RewardContract):
        name = "short"
        better_first = [(Sample("q", "4", "4"), Sample("q", "4", "four, I think"))]

Scores are compared with each other only; how high they are is the author's affair.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from ftcore.protocols import RememberingReward, Reward
from ftcore.specs import RewardSpec
from ftcore.testing.contract import ReferredContract
from ftcore.types import Sample, Turn

SAMPLES = tuple(
    Sample(prompt="What is 2 + 2?", reference="4", output=output, turns=(Turn("user", "What is 2 + 2?"),))
    for output in ("4", "", "It is 4.", "five", '{"sum": 4}', "#### 4", "𝟜 \x00\n", "4 " * 500)
)
"""Answers of all sorts to one question."""


class RewardContract(ReferredContract):
    """Inherit, give the function's `name` and `settings`, and, where the usual ones say nothing, its own `samples`."""

    kind = "rewards"
    samples: ClassVar[Sequence[Sample]] = SAMPLES
    """Samples to score."""
    better_first: ClassVar[Sequence[tuple[Sample, Sample]]] = ()
    """Pairs of which the first deserves more."""

    @classmethod
    def spec(cls) -> RewardSpec:
        spec = super().spec()
        assert isinstance(spec, RewardSpec)
        return spec

    @classmethod
    def build(cls) -> Reward:
        reward = super().build()
        assert isinstance(reward, Reward)
        return reward

    def test_it_gives_one_finite_number_a_sample(self) -> None:
        scores = self.build().scores(self.samples)
        assert len(scores) == len(self.samples), f"{len(self.samples)} samples, but {len(scores)} scores"
        for sample, score in zip(self.samples, scores, strict=True):
            assert isinstance(score, (int, float)), f"{sample.output!r} gets {score!r}, which is no number"
            assert math.isfinite(score), f"{sample.output!r} gets {score}"

    def test_no_sample_gets_no_number(self) -> None:
        assert list(self.build().scores([])) == []

    def test_a_score_depends_on_its_sample_alone(self) -> None:
        """Training shuffles and splits batches, and asks more than once."""
        reward = self.build()
        scores = list(reward.scores(self.samples))
        same = pytest.approx(scores, rel=1e-4, abs=1e-5)  # a model rounds a little otherwise in another batch
        backwards = list(reward.scores(self.samples[::-1]))
        assert backwards[::-1] == same, "in another order, samples get other scores"
        assert [reward.scores([sample])[0] for sample in self.samples] == same, "alone, samples get other scores"

    def test_a_missing_reference_breaks_nothing(self) -> None:
        if not self.spec().needs_reference:
            assert len(self.build().scores([Sample("hello", "", "hello")])) == 1

    def test_what_is_remembered_is_what_was_said(self, tmp_path: Path) -> None:
        first, second = self.build(), self.build()
        if isinstance(first, RememberingReward) and isinstance(second, RememberingReward):
            first.remember(tmp_path)
            second.remember(tmp_path)
            assert list(second.scores(self.samples)) == list(first.scores(self.samples))

    def test_the_better_answer_gets_more(self) -> None:
        reward = self.build()
        for better, worse in self.better_first:
            more, less = reward.scores([better, worse])
            assert more > less, f"{better.output!r} gets {more}, {worse.output!r} gets {less}"
