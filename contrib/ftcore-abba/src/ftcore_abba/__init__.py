"""ABBA adapters (https://arxiv.org/abs/2505.14238), a method that PEFT does not have. The front; `method.py` has the
behaviour."""

from ftcore import MethodSpec, Ref, hookimpl


@hookimpl
def ftcore_tuning_methods():
    yield MethodSpec(
        name="abba",
        summary="the product, entry by entry, of two low-rank matrices trains beside the frozen weights",
        config=Ref("ftcore_abba.config:AbbaConfig"),
        factory=Ref("ftcore_abba.method:Abba"),
        # What the authors train with (github.com/CERT-Lab/abba, scripts/train_arithmetic.sh).
        defaults={"learning_rate": 1e-3},
    )
