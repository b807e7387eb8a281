"""Soft prompts: vectors that are learned in place of words, before the text or inside the attention. The front.

config.py     the settings of all four
method.py     prompt tuning and P-tuning: vectors where the embeddings of words would stand
prefix.py     prefix tuning: keys and values that every block finds before those of the text
adaption.py   LLaMA-Adapter: a prompt for each of the upper blocks, behind a gate
inputs.py     what lets a model with virtual tokens be called like one without
words.py      tokens to begin from
"""

from ftcore import MethodSpec, Ref, hookimpl
from ftcore.types import Finding

# The settings of PEFT's comparison on MetaMathQA with Llama-3.2-3B (github.com/huggingface/peft,
# method_comparison/MetaMathQA/results), where they decide more than the method does.
VIRTUAL = (
    MethodSpec(
        name="prompt-tuning",
        summary="vectors before the text train, as if they were words",
        config=Ref("ftcore_plugins.soft_prompts.config:PromptConfig"),
        factory=Ref("ftcore_plugins.soft_prompts.method:PromptTuning"),
        packages=("peft",),
        mergeable=False,
        # 1e-3 from the vocabulary ends at 39.1 %, from random vectors at 25.2 %; short runs want more
        # (docs/explanation/measurements.md).
        defaults={"learning_rate": 3e-3},
    ),
    MethodSpec(
        name="p-tuning",
        summary="vectors before the text train through a small network",
        config=Ref("ftcore_plugins.soft_prompts.config:PTuningConfig"),
        factory=Ref("ftcore_plugins.soft_prompts.method:PTuning"),
        packages=("peft",),
        mergeable=False,
        # 5e-4 with twenty tokens and an MLP ends at 35.3 %; short runs want twice as much.
        defaults={"learning_rate": 1e-3},
    ),
    MethodSpec(
        name="prefix-tuning",
        summary="keys and values before those of the text train, in every block",
        config=Ref("ftcore_plugins.soft_prompts.config:PrefixConfig"),
        factory=Ref("ftcore_plugins.soft_prompts.prefix:PrefixTuning"),
        packages=("peft",),
        mergeable=False,
        # 5e-3 with fifty tokens that begin as words ends at 40.0 %, with 200 that begin at zero at 35.8 %; short runs
        # want twice as much.
        defaults={"learning_rate": 1e-2},
    ),
)

SPECS = (
    *VIRTUAL,
    MethodSpec(
        name="adaption-prompt",
        summary="a prompt for each of the upper blocks trains, behind a gate (LLaMA-Adapter)",
        config=Ref("ftcore_plugins.soft_prompts.config:AdaptionConfig"),
        factory=Ref("ftcore_plugins.soft_prompts.adaption:AdaptionPrompt"),
        packages=("peft",),
        mergeable=False,
        relatives=("llama-adapter",),
        # 5e-3 ends at 38.1 %; short runs want twice as much.
        defaults={"learning_rate": 1e-2},
    ),
)


@hookimpl
def ftcore_tuning_methods():
    yield from SPECS


@hookimpl
def ftcore_plan_findings(plan):
    """Rows that share one line have one place before them, not one each; and vectors cost as much as words do."""
    if plan.method.spec in VIRTUAL and getattr(plan.strategy.settings, "packing", False):
        yield Finding(
            "error",
            f"{plan.method.spec.name} puts virtual tokens before each row, and packed rows have no room for them",
            "--no-strategy.packing",
        )
    tokens = plan.method.settings.tokens if plan.method.spec in SPECS else 0
    if tokens > plan.train.max_length:
        yield Finding(
            "warning",
            f"{tokens:,} virtual tokens stand before rows of at most {plan.train.max_length:,}, each as costly as one",
            f"--method.tokens {type(plan.method.settings).model_fields['tokens'].default}",
        )
