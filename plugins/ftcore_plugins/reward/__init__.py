"""Reward models: learn from pairs of answers to give each answer a score. The front.

config.py     settings of the strategy and of the reward function
strategy.py   the strategy `reward`: Bradley–Terry, on TRL
scorer.py     the reward function `model`: what a finished `reward` run says of answers
"""

from ftcore import Ref, RewardSpec, StrategySpec, hookimpl
from ftcore.types import Finding


@hookimpl
def ftcore_alignment_strategies():
    yield StrategySpec(
        name="reward",
        summary="learn to score answers from pairs of which people preferred one: a reward model",
        examples=("preference",),
        relatives=("bradley-terry", "rm", "reward-model"),
        packages=("trl",),
        config=Ref("ftcore_plugins.reward.config:RewardConfig"),
        factory=Ref("ftcore_plugins.reward.strategy:RewardStrategy"),
        head="score",
    )


MODEL = RewardSpec(
    name="model",
    summary="the score that the model of a finished `reward` run gives the answer",
    argument="run",
    claims=Ref("ftcore_plugins.local.claims:is_run"),
    config=Ref("ftcore_plugins.reward.config:ModelConfig"),
    factory=Ref("ftcore_plugins.reward.scorer:ModelReward"),
)


@hookimpl
def ftcore_reward_functions():
    yield MODEL


@hookimpl
def ftcore_plan_findings(plan):
    """Whether the runs named are those of reward models, said before anything loads."""
    for entry in plan.rewards:
        if entry.function.spec is MODEL:
            refusal = Ref("ftcore_plugins.reward.scorer:refusal").load()(entry.function.settings)
            if refusal:
                text = f"rewards.run {entry.function.settings.run}: {refusal.what}"
                yield Finding("error", text, refusal.fix, unsafe=refusal.exit_code == 8)
