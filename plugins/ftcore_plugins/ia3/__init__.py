"""(IA)³: one factor for each key, each value and each inner activation of the MLP (https://arxiv.org/abs/2205.05638).
The front; `method.py` has the behaviour."""

from ftcore import MethodSpec, Ref, hookimpl


@hookimpl
def ftcore_tuning_methods():
    yield MethodSpec(
        name="ia3",
        summary="one trained factor for each key, value and inner activation",
        config=Ref("ftcore_plugins.ia3.config:Ia3Config"),
        factory=Ref("ftcore_plugins.ia3.method:Ia3"),
        heads=("lm", "score"),
        packages=("peft",),
        # In PEFT's comparison on MetaMathQA (Llama-3.2-3B, method_comparison/MetaMathQA/results) 5e-3 on all linear
        # layers reaches 45.5 % on GSM8K; the library's 1e-4 barely moves factors that start at 1. In short runs twice
        # as much is better (docs/explanation/measurements.md).
        defaults={"learning_rate": 1e-2},
    )
