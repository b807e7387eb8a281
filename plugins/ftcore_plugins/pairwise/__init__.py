"""Preference losses that need no reference model: ORPO, SimPO and CPO. The front; `losses.py` has the formulas."""

from ftcore import Ref, StrategySpec, hookimpl


@hookimpl
def ftcore_alignment_strategies():
    yield StrategySpec(
        name="orpo",
        summary="imitate the chosen answer and raise its odds over the rejected one, without a reference",
        examples=("preference",),
        config=Ref("ftcore_plugins.pairwise.config:OrpoConfig"),
        factory=Ref("ftcore_plugins.pairwise.strategies:Orpo"),
        # As for dpo: preferences move a model further a step than imitation does.
        learning_rate_scale=0.5,
    )
    yield StrategySpec(
        name="simpo",
        summary="make the chosen answer likelier a token than the rejected one, by a margin",
        examples=("preference",),
        config=Ref("ftcore_plugins.pairwise.config:SimpoConfig"),
        factory=Ref("ftcore_plugins.pairwise.strategies:Simpo"),
        learning_rate_scale=0.5,
    )
    yield StrategySpec(
        name="cpo",
        summary="make the chosen answer likelier than the rejected one, and imitate it",
        examples=("preference",),
        config=Ref("ftcore_plugins.pairwise.config:CpoConfig"),
        factory=Ref("ftcore_plugins.pairwise.strategies:Cpo"),
        learning_rate_scale=0.5,
    )
