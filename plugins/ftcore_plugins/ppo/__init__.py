"""Proximal policy optimisation, classic RLHF: learn from rewards for what the model writes itself. The front.

config.py      the settings
objective.py   the formulas: advantages, clipped losses, distances, the controller of the penalty
policy.py      what model and value head say of answers
rollout.py     answers and their rewards, made into what there is to learn
trainer.py     what a step of `ftcore_plugins.rollouts` learns
"""

from ftcore import Ref, StrategySpec, hookimpl
from ftcore.types import Finding

FTCORE_CHECK = {
    "strategy:ppo": {
        "settings": {"max_new_tokens": 6, "minibatches": 2, "passes": 2},
        "run_file": {"rewards": [{"name": "length", "target": 9}]},
    }
}
"""Quick settings to check it with, and a reward."""

PPO = StrategySpec(
    name="ppo",
    summary="write answers, have them rewarded, and make the better ones likelier (classic RLHF)",
    examples=("prompt", "chat"),
    needs_reference=True,
    generates=True,
    needs_rewards=True,
    relatives=("reinforce", "a2c"),
    config=Ref("ftcore_plugins.ppo.config:PpoConfig"),
    factory=Ref("ftcore_plugins.ppo.strategy:Ppo"),
    learning_rate_scale=0.25,
)


@hookimpl
def ftcore_alignment_strategies():
    yield PPO


@hookimpl
def ftcore_plan_findings(plan):
    if plan.strategy.spec is not PPO:
        return
    yield from Ref("ftcore_plugins.rollouts.findings:findings").load()(plan)
    minibatches, batch = plan.strategy.settings.minibatches, plan.train.batch_size
    if minibatches > batch:
        message = f"strategy.minibatches {minibatches} is more than the {batch} prompts of train.batch_size"
        yield Finding("error", message, f"--strategy.minibatches {batch}")
