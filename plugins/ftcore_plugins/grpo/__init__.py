"""Learn from rewards by comparing several answers to each prompt, on TRL: GRPO and RLOO. The front.

config.py     the settings
strategy.py   the settings in TRL's words
trainer.py    TRL's trainers over ftcore's prompts, generation, rewards, reference and checkpoints
prompts.py    in which order prompts are answered
"""

import importlib.util

from ftcore import Ref, StrategySpec, hookimpl
from ftcore.types import Finding

_QUICK = {
    "settings": {"max_new_tokens": 6},
    "run_file": {"rewards": [{"name": "length", "target": 9}]},
}

FTCORE_CHECK = {"strategy:grpo": _QUICK, "strategy:rloo": _QUICK}
"""Quick settings to check them with, and a reward."""

GRPO = StrategySpec(
    name="grpo",
    summary="write several answers to each prompt and make those likelier that are rewarded above their group's mean",
    examples=("prompt", "chat"),
    generates=True,
    needs_rewards=True,
    relatives=("dapo", "dr-grpo", "gspo", "rlvr"),
    packages=("trl",),
    config=Ref("ftcore_plugins.grpo.config:GrpoConfig"),
    factory=Ref("ftcore_plugins.grpo.strategy:Grpo"),
    learning_rate_scale=0.25,
)
RLOO = StrategySpec(
    name="rloo",
    summary="write several answers to each prompt and measure each one's reward against the mean of the others",
    examples=("prompt", "chat"),
    generates=True,
    needs_rewards=True,
    relatives=("reinforce-leave-one-out",),
    packages=("trl",),
    config=Ref("ftcore_plugins.grpo.config:RlooConfig"),
    factory=Ref("ftcore_plugins.grpo.strategy:Rloo"),
    learning_rate_scale=0.25,
)


@hookimpl
def ftcore_alignment_strategies():
    yield GRPO
    yield RLOO


@hookimpl
def ftcore_plan_findings(plan):
    name, settings = plan.strategy.spec.name, plan.strategy.settings
    if plan.strategy.spec not in (GRPO, RLOO):
        return
    if plan.workers > 1:
        yield Finding("error", f"{name} computes in one process, not in {plan.workers}", "--backend.workers 1")
    if settings.use_vllm and importlib.util.find_spec("vllm") is None:
        message = "strategy.use_vllm needs the package vllm, which is not installed"
        yield Finding("error", message, "pip install vllm, or leave it out: --no-strategy.use_vllm")
    if dropout := getattr(plan.method.settings, "dropout", 0):
        message = f"{name} drops nothing, since noise would count as change: method.dropout {dropout:g} has no effect"
        yield Finding("note", message, "--method.dropout 0")
