"""Benchmarks of the LM evaluation harness, before and after training. The front; `evaluator.py` has the behaviour."""

from ftcore import EvaluatorSpec, Ref, hookimpl


@hookimpl
def ftcore_evaluators():
    yield EvaluatorSpec(
        name="lm-eval",
        summary="benchmarks of the LM evaluation harness, or tasks of your own written for it",
        config=Ref("ftcore_lm_eval.config:LmEvalConfig"),
        factory=Ref("ftcore_lm_eval.evaluator:LmEval"),
        packages=("lm_eval",),
        metrics={},  # the harness names them, and says which way each is better
        examples=(),  # tasks bring their own questions
    )


@hookimpl
def ftcore_plan_findings(plan):
    """A task that does not exist is better noticed before training than after it."""
    if any(choice.spec.factory.target == "ftcore_lm_eval.evaluator:LmEval" for choice in plan.evaluators):
        from ftcore_lm_eval.tasks import findings

        for choice in plan.evaluators:
            if choice.spec.factory.target == "ftcore_lm_eval.evaluator:LmEval":
                yield from findings(choice.settings)
