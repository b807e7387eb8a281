"""Supervised fine-tuning: learn the answers of examples. Offers the strategy `sft`."""

from ftcore import Ref, StrategySpec, hookimpl


@hookimpl
def ftcore_alignment_strategies():
    yield StrategySpec(
        name="sft",
        summary="learn the assistant's turns of examples (supervised fine-tuning)",
        examples=("chat", "text"),
        default=True,
        packages=("trl",),
        config=Ref("ftcore_plugins.sft.config:SftConfig"),
        factory=Ref("ftcore_plugins.sft.strategy:Sft"),
    )
