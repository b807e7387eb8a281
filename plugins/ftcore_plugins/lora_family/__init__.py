"""The LoRA family beyond LoRA itself, as PEFT has it: one table, `table.py`, and one class for all of its rows."""

from ftcore import MethodSpec, Ref, hookimpl
from ftcore.types import Finding
from ftcore_plugins.lora_family.table import ROWS


@hookimpl
def ftcore_tuning_methods():
    for row in ROWS.values():
        yield MethodSpec(
            name=row.name,
            summary=row.summary,
            config=Ref(f"ftcore_plugins.lora_family.config:{row.name}"),
            factory=Ref(row.factory),
            heads=("lm", "score"),
            packages=("peft",),
            defaults={"learning_rate": row.learning_rate},
        )


@hookimpl
def ftcore_plan_findings(plan):
    if plan.method.spec.factory.target == ROWS["adalora"].factory and plan.steps:
        error = too_short(plan.steps, plan.method.settings.settle)
        if error:
            yield Finding("error", error, "--train.steps 20")


def too_short(steps: int, settle: float) -> str | None:
    """Why AdaLoRA cannot choose ranks in so few steps, with a share of them left to `settle`; None where it can."""
    if steps - int(steps * settle) >= 2:
        return None
    return f"adalora scores its ranks before it takes any, for which a run of {steps} is too short"
