"""The contract of evaluators: the declared numbers, finite, from a model that is left as it was.

    from ftcore.testing.evaluators import EvaluatorContract

    class TestBrevity(EvaluatorContract):
        name = "brevity"

Whether a number is right is for the author's own tests to say.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from ftcore.protocols import Evaluator
from ftcore.run.session import Session
from ftcore.specs import EvaluatorSpec
from ftcore.testing.probes import snapshot
from ftcore.testing.runs import RunContract, session
from ftcore.types import Evaluation, Sample


class EvaluatorContract(RunContract):
    """Inherit, give the evaluator's `name` and `settings`, and let pytest collect the rest."""

    kind = "evaluators"

    @classmethod
    def spec(cls) -> EvaluatorSpec:
        spec = super().spec()
        assert isinstance(spec, EvaluatorSpec)
        return spec

    @classmethod
    def build(cls) -> Evaluator:
        evaluator = super().build()
        assert isinstance(evaluator, Evaluator)
        return evaluator

    @classmethod
    def example(cls) -> str:
        """A kind of example that it can judge; any kind for one that brings questions of its own."""
        return cls.spec().examples[0] if cls.spec().examples else "chat"

    @pytest.fixture(scope="class")
    def ready(self, base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Session:
        """A session before its first step, with held-out rows of a kind that the evaluator can judge."""
        plan = self.plan(base_folder, tmp_path_factory.mktemp("run"), self.example())
        return session(plan, self.manager())

    def test_the_declared_facts_are_consistent(self) -> None:
        spec = self.spec()
        assert set(spec.percent) <= spec.metrics.keys(), "`percent` names some of the metrics"

    def test_it_gives_the_declared_numbers(self, ready: Session) -> None:
        evaluation = self.build().evaluate(ready)
        assert isinstance(evaluation, Evaluation)
        spec = self.spec()
        for name, value in evaluation.metrics.items():
            assert name in {**spec.metrics, **evaluation.better}, f"{name} is not among the declared metrics"
            assert math.isfinite(value), f"{name} is {value}"
            assert name not in {*spec.percent, *evaluation.percent} or 0 <= value <= 1, (
                f"{name} is {value}, no share between 0 and 1"
            )
        assert all(isinstance(sample, Sample) for sample in evaluation.samples)
        assert evaluation.metrics or evaluation.samples, "it says nothing"

    def test_asked_again_it_says_the_same_and_leaves_the_model_as_it_was(self, ready: Session) -> None:
        before, training = snapshot(ready.model), [module.training for module in ready.model.modules()]
        first = self.build().evaluate(ready)
        assert self.build().evaluate(ready) == first, "asked again about the same model, it says something else"
        after = snapshot(ready.model)
        assert all(torch.equal(before[name], after[name]) for name in before), "judging changed the weights"
        assert [module.training for module in ready.model.modules()] == training, "judging left modules in eval mode"
        assert all(parameter.grad is None for parameter in ready.model.parameters()), "judging left gradients behind"

    def test_where_nothing_is_to_be_written_it_says_nothing(self, base_folder: Path, tmp_path: Path) -> None:
        """`--evaluate.generate 0` asks the model for no answer."""
        if self.spec().generates:
            plan = self.plan(base_folder, tmp_path, self.example(), evaluate={"generate": 0})
            assert self.build().evaluate(session(plan, self.manager())) == Evaluation({})
