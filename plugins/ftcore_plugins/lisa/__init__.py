"""LISA: full fine-tuning, a few random blocks at a time (https://arxiv.org/abs/2403.17919). The front; `method.py` has
the behaviour."""

from ftcore import MethodSpec, Ref, hookimpl


@hookimpl
def ftcore_tuning_methods():
    yield MethodSpec(
        name="lisa",
        summary="every parameter trains, but only a few random blocks at a time, which saves memory",
        config=Ref("ftcore_plugins.lisa.config:LisaConfig"),
        factory=Ref("ftcore_plugins.lisa.method:Lisa"),
        trains_base=True,
        artifact="model",
        switchable=False,
        heads=("lm", "score"),
        # What trains is trained as in full fine-tuning; the paper takes the same rate or up to three times as much.
        defaults={"learning_rate": 1e-4},
    )
