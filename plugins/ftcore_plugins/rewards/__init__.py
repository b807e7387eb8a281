"""Reward functions that need no model: equal to the reference, its number, a pattern, JSON of a shape, a length."""

from ftcore import Ref, RewardSpec, hookimpl

FTCORE_CHECK = {
    "rewards:regex": {"settings": {"pattern": r"\d"}},
    "rewards:json-schema": {"settings": {"shape": '{"type": "object"}'}},
    "rewards:length": {"settings": {"target": 20}},
}
"""Settings to check them with, where there are none by default."""


@hookimpl
def ftcore_reward_functions():
    yield RewardSpec(
        name="exact",
        summary="1 for an answer equal to the reference, spaces at both ends aside",
        config=Ref("ftcore_plugins.rewards.config:ExactConfig"),
        factory=Ref("ftcore_plugins.rewards.answers:Exact"),
        needs_reference=True,
    )
    yield RewardSpec(
        name="numeric",
        summary="1 for an answer whose last number is the reference's last number",
        config=Ref("ftcore_plugins.rewards.config:NumericConfig"),
        factory=Ref("ftcore_plugins.rewards.answers:Numeric"),
        needs_reference=True,
    )
    yield RewardSpec(
        name="regex",
        summary="1 for an answer in which a pattern is found",
        config=Ref("ftcore_plugins.rewards.config:RegexConfig"),
        factory=Ref("ftcore_plugins.rewards.answers:Regex"),
    )
    yield RewardSpec(
        name="json-schema",
        summary="1 for an answer that is JSON of the given shape",
        config=Ref("ftcore_plugins.rewards.config:JsonSchemaConfig"),
        factory=Ref("ftcore_plugins.rewards.answers:JsonSchema"),
    )
    yield RewardSpec(
        name="length",
        summary="1 for an answer of the wanted length, less the further it is from it",
        config=Ref("ftcore_plugins.rewards.config:LengthConfig"),
        factory=Ref("ftcore_plugins.rewards.answers:Length"),
    )
