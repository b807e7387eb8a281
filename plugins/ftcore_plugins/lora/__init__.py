"""LoRA: small matrices beside the frozen weights train (https://arxiv.org/abs/2106.09685). The front; `method.py` has
the behaviour."""

from ftcore import MethodSpec, Ref, hookimpl


@hookimpl
def ftcore_tuning_methods():
    yield MethodSpec(
        name="lora",
        summary="small matrices beside the frozen weights train",
        config=Ref("ftcore_plugins.lora.config:LoraConfig"),
        factory=Ref("ftcore_plugins.lora.method:Lora"),
        heads=("lm", "score"),
        packages=("peft",),
        default=True,
        relatives=(
            "adapter",
            "ia3",
            "prompt-tuning",
            "prefix-tuning",
            "p-tuning",
            "vera",
            "adalora",
            "oft",
            "loha",
            "lokr",
        ),
        # The best rate for LoRA is about ten times that of full fine-tuning (https://thinkingmachines.ai/blog/lora),
        # and 2e-4 is what QLoRA's authors used up to 13B (https://arxiv.org/abs/2305.14314, table 9).
        defaults={"learning_rate": 2e-4},
        # The smaller the model, the higher the best rate (the same page), so whoever knows the model knows better.
        gives_way=("learning_rate",),
    )
