"""Full fine-tuning: every parameter of the model trains. The front; `method.py` has the behaviour."""

from ftcore import MethodSpec, Ref, hookimpl


@hookimpl
def ftcore_tuning_methods():
    yield MethodSpec(
        name="full",
        summary="every parameter trains",
        config=Ref("ftcore_plugins.full.config:FullConfig"),
        factory=Ref("ftcore_plugins.full.method:Full"),
        trains_base=True,
        artifact="model",
        switchable=False,
        heads=("lm", "score"),
        # Published recipes go from 2e-5 at 7B (Zephyr, Alpaca) to 1e-3 at 135M (SmolLM2), smaller models taking larger
        # steps; 5e-5, transformers' own default, is safe at 7B and not yet slow at 1B.
        defaults={"learning_rate": 5e-5},
    )
