"""Direct preference optimisation on answers of the model's own, which rewards put in order. The front.

config.py      the settings
objective.py   which answers make a pair, and the losses
strategy.py    the trainer over the run's prompts
trainer.py     what a step of `ftcore_plugins.rollouts` learns
"""

from ftcore import Ref, StrategySpec, hookimpl

FTCORE_CHECK = {
    "strategy:online-dpo": {
        "settings": {"max_new_tokens": 6},
        "run_file": {"rewards": [{"name": "length", "target": 9}]},
    }
}
"""Quick settings to check it with, and a reward."""

ONLINE_DPO = StrategySpec(
    name="online-dpo",
    summary="write two answers to each prompt and raise the better rewarded one over the other, as dpo does",
    examples=("prompt", "chat"),
    needs_reference=True,
    generates=True,
    needs_rewards=True,
    relatives=("oaif", "online-ipo", "iterative-dpo", "self-rewarding"),
    config=Ref("ftcore_plugins.online_dpo.config:OnlineDpoConfig"),
    factory=Ref("ftcore_plugins.online_dpo.strategy:OnlineDpo"),
    learning_rate_scale=0.5,
)


@hookimpl
def ftcore_alignment_strategies():
    yield ONLINE_DPO


@hookimpl
def ftcore_plan_findings(plan):
    if plan.strategy.spec is ONLINE_DPO:
        yield from Ref("ftcore_plugins.rollouts.findings:findings").load()(plan)
