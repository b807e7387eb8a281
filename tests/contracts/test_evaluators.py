"""Every built-in evaluator keeps the contract of evaluators."""

# ruff: noqa: RUF012 - settings are read, never changed

from ftcore.testing.evaluators import EvaluatorContract


class TestLoss(EvaluatorContract):
    name = "loss"


class TestExactMatch(EvaluatorContract):
    name = "exact-match"


class TestSamples(EvaluatorContract):
    name = "samples"
    settings = {"count": 2}


class TestRewards(EvaluatorContract):
    name = "rewards"
    run_file = {"rewards": ["exact", {"name": "length", "target": 3, "weight": 0.5}]}


class TestPreference(EvaluatorContract):
    name = "preference"
    run_file = {"strategy": "dpo"}
