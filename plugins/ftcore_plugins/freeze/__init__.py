"""Freezing: the first layers stay as they are, the last blocks train. The front; `method.py` has the behaviour."""

from ftcore import MethodSpec, Ref, hookimpl


@hookimpl
def ftcore_tuning_methods():
    yield MethodSpec(
        name="freeze",
        summary="the last blocks train, the first ones stay as they are",
        config=Ref("ftcore_plugins.freeze.config:FreezeConfig"),
        factory=Ref("ftcore_plugins.freeze.method:Freeze"),
        trains_base=True,
        artifact="model",
        switchable=False,
        heads=("lm", "score"),
        # What trains is trained as in full fine-tuning, so its learning rate is the same.
        defaults={"learning_rate": 5e-5},
    )
