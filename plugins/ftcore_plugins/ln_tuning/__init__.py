"""LayerNorm tuning: the normalisation layers train and nothing else does (https://arxiv.org/abs/2312.11420). The front;
`method.py` has the behaviour."""

from ftcore import MethodSpec, Ref, hookimpl


@hookimpl
def ftcore_tuning_methods():
    yield MethodSpec(
        name="ln-tuning",
        summary="the normalisation layers train, beside the originals",
        config=Ref("ftcore_plugins.ln_tuning.config:LnTuningConfig"),
        factory=Ref("ftcore_plugins.ln_tuning.method:LnTuning"),
        heads=("lm", "score"),
        packages=("peft",),
        # Weights of norms are near 1, so they need larger steps than matrices: with 1e-4 PEFT's comparison on
        # MetaMathQA ends at 0 % (method_comparison/MetaMathQA/results/ln_tuning--llama-3.2-3B-default.json).
        # Here 3e-3 is best (docs/explanation/measurements.md).
        defaults={"learning_rate": 3e-3},
    )
