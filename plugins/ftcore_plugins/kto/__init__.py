"""Kahneman–Tversky optimisation: learn from answers that are good or bad by themselves, on TRL. The front."""

from ftcore import Ref, StrategySpec, hookimpl
from ftcore.types import Finding

KTO = StrategySpec(
    name="kto",
    summary="raise good answers and lower bad ones, measured against the untuned model; needs no pairs",
    examples=("feedback", "preference"),
    needs_reference=True,
    relatives=("apo-zero-unpaired",),
    packages=("trl",),
    config=Ref("ftcore_plugins.kto.config:KtoConfig"),
    factory=Ref("ftcore_plugins.kto.strategy:Kto"),
    learning_rate_scale=0.5,
)


@hookimpl
def ftcore_alignment_strategies():
    yield KTO


@hookimpl
def ftcore_plan_findings(plan):
    if plan.strategy.spec != KTO:
        return
    if plan.strategy.settings.loss == "kto" and plan.micro_batch < 2:
        message = "kto compares the answers of a micro batch with each other's prompts, so it needs two at once"
        fix = "--train.micro_batch_size 2" if plan.train.batch_size > plan.workers else "--train.batch_size 8"
        yield Finding("error", message, fix)
    if dropout := getattr(plan.method.settings, "dropout", 0):
        message = f"method.dropout {dropout:g} makes noise in the log-probabilities that kto compares"
        yield Finding("note", message, "--method.dropout 0")
