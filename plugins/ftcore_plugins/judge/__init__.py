"""A language model as the judge: a chat endpoint, here or elsewhere, scores what the model writes. The front.

config.py     the settings, and what speaks against them before anything loads
question.py   what the judge is asked, and the score in its reply
endpoint.py   one question over HTTP, asked again where that may help
memory.py     judge.jsonl: nothing is asked twice
scorer.py     the reward function `judge`
"""

from ftcore import Ref, RewardSpec, hookimpl

JUDGE = RewardSpec(
    name="judge",
    summary="the score that a language model gives the answer, asked over HTTP as OpenAI's API is",
    config=Ref("ftcore_plugins.judge.config:JudgeConfig"),
    factory=Ref("ftcore_plugins.judge.scorer:Judge"),
)


@hookimpl
def ftcore_reward_functions():
    yield JUDGE


@hookimpl
def ftcore_plan_findings(plan):
    """Whether the judge can be asked at all, and whose machine reads along."""
    for entry in plan.rewards:
        if entry.function.spec is JUDGE:
            yield from Ref("ftcore_plugins.judge.config:findings").load()(entry.function.settings)
