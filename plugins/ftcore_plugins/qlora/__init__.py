"""QLoRA: LoRA over base weights held in four bits (https://arxiv.org/abs/2305.14314). The front; `method.py` has the
behaviour."""

from ftcore import MethodSpec, Ref, hookimpl


@hookimpl
def ftcore_tuning_methods():
    yield MethodSpec(
        name="qlora",
        summary="LoRA over base weights held in four bits",
        config=Ref("ftcore_plugins.qlora.config:QloraConfig"),
        factory=Ref("ftcore_plugins.qlora.method:Qlora"),
        heads=("lm", "score"),
        packages=("peft", "bitsandbytes"),
        needs=("nf4",),
        # As LoRA: the rate that QLoRA's authors used up to 13B (table 9); smaller models want a higher one.
        defaults={"learning_rate": 2e-4},
        gives_way=("learning_rate",),
    )
