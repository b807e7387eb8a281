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


def one_kind(good: int, bad: int) -> tuple[str, str]:
    """What speaks against answers that are all good, or all bad, and what helps."""
    there, lacking = ("good", "bad") if good else ("bad", "good")
    message = f"all {good + bad:,} answers are {there}: kto learns what tells good answers from bad ones"
    return message, f"add rows with {lacking} answers"


@hookimpl
def ftcore_alignment_strategies():
    yield KTO


@hookimpl
def ftcore_plan_findings(plan):
    if plan.strategy.spec != KTO:
        return
    if plan.rows and not (plan.rows.good and plan.rows.bad):
        yield Finding("error", *one_kind(plan.rows.good, plan.rows.bad))
    if plan.strategy.settings.loss == "kto" and plan.micro_batch < 2:
        message = "kto compares the answers of a micro batch with each other's prompts, so it needs two at once"
        fix = "--train.micro_batch_size 2" if plan.train.batch_size > plan.workers else "--train.batch_size 8"
        yield Finding("error", message, fix)
    if dropout := getattr(plan.method.settings, "dropout", 0):
        message = f"method.dropout {dropout:g} makes noise in the log-probabilities that kto compares"
        yield Finding("note", message, "--method.dropout 0")
