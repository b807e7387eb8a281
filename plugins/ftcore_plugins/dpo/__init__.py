"""Direct preference optimisation and its relatives, on TRL. The front; `config.py` has the losses."""

from ftcore import Ref, StrategySpec, hookimpl
from ftcore.types import Finding

DPO = StrategySpec(
    name="dpo",
    summary="raise the chosen answer over the rejected one, measured against the untuned model",
    examples=("preference",),
    needs_reference=True,
    relatives=("ipo", "hinge", "robust", "exo", "nca", "bco", "sppo", "aot", "apo", "discopop", "rpo", "wpo", "ld-dpo"),
    packages=("trl",),
    config=Ref("ftcore_plugins.dpo.config:DpoConfig"),
    factory=Ref("ftcore_plugins.dpo.strategy:Dpo"),
    learning_rate_scale=0.5,
)


@hookimpl
def ftcore_alignment_strategies():
    yield DPO


@hookimpl
def ftcore_plan_findings(plan):
    if plan.strategy.spec != DPO:
        return
    if plan.strategy.settings.loss.startswith("aot") and plan.micro_batch < 2:
        message = f"{plan.strategy.settings.loss} compares the pairs of a micro batch with each other, and there is one"
        yield Finding("error", message, "--train.micro_batch_size 4")
    if dropout := getattr(plan.method.settings, "dropout", 0):
        message = f"method.dropout {dropout:g} makes noise in the log-probabilities that dpo compares"
        yield Finding("note", message, "--method.dropout 0")
