"""LLaMA-Adapter on PEFT: the upper blocks also attend to a prompt, each to its own, behind a gate that starts closed.

Zhang et al. 2023 (https://arxiv.org/abs/2303.16199): what attention answers becomes
attention(text) + g·attention(prompt), with g = 0 before training, so that the model begins as the base.
"""

from __future__ import annotations

from typing import Any

import peft
import torch
from peft import PeftModel
from peft.tuners.adaption_prompt.config import TRANSFORMERS_MODEL_CONFIG
from peft.tuners.adaption_prompt.layer import AdaptedAttention, AdaptedAttentionGPT
from torch import nn
from transformers import PreTrainedModel

from ftcore.errors import ModelError, UsageError
from ftcore.parameters import decoder_blocks
from ftcore_plugins.peft_base.method import PeftMethod, task_type
from ftcore_plugins.soft_prompts.config import AdaptionConfig
from ftcore_plugins.soft_prompts.inputs import count_by_mask

TRAINED_PARTS = ("adaption_prompt", "adaption_gate")


class AdaptionPrompt(PeftMethod):
    """
    >>> model = AdaptionPrompt(AdaptionConfig(tokens=10)).attach(AutoModelForCausalLM.from_pretrained(folder))
    """

    config: AdaptionConfig

    def peft_config(self, model: PreTrainedModel) -> peft.AdaptionPromptConfig:
        _must_be_known(model)
        blocks = len(decoder_blocks(model))
        layers = self.config.layers or max(1, blocks - 2)
        if layers > blocks:
            raise UsageError(
                f"the model has {blocks} blocks, not {layers}", where="method.layers", fix=f"--method.layers {blocks}"
            )
        return peft.AdaptionPromptConfig(task_type="CAUSAL_LM", adapter_len=self.config.tokens, adapter_layers=layers)

    def attach(self, model: PreTrainedModel) -> PeftModel:
        """Raises ModelError for architectures that PEFT has no such attention for, UsageError for too many layers."""
        dtype = model.get_input_embeddings().weight.dtype
        attached = super().attach(model)
        attached.base_model.forward = model.__call__  # PEFT keeps the forward of today, and trainers replace it
        count_by_mask(model)  # how much the prompt says depends on the position, not only on distances
        if dtype in (torch.bfloat16, torch.float16):
            for module in attached.modules():
                if isinstance(module, (AdaptedAttention, AdaptedAttentionGPT)):
                    module.register_forward_pre_hook(_Lower(dtype), with_kwargs=True)
                    module.register_forward_hook(_restore, always_call=True)
        return attached


def _must_be_known(model: PreTrainedModel) -> None:
    kind, config = model.config.model_type, model.config
    if kind not in TRANSFORMERS_MODEL_CONFIG or task_type(model) != "CAUSAL_LM":
        raise ModelError(
            f"LLaMA-Adapter is not made for {type(model).__name__}",
            more=["it knows language models of the types " + ", ".join(sorted(TRANSFORMERS_MODEL_CONFIG))],
            fix="--method prefix-tuning",
        )
    width = config.num_attention_heads * getattr(config, "head_dim", config.hidden_size // config.num_attention_heads)
    if width != config.hidden_size:
        raise ModelError(
            f"LLaMA-Adapter wants heads that are as wide together as the model ({config.hidden_size}, not {width})",
            fix="--method prefix-tuning",
        )


class _Lower:
    """Before a forward pass the attention sees its parameters, which train in float32, in the precision of the model.

    A class, not a closure, so that the model can still be copied.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def __call__(self, module: nn.Module, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> None:
        for name in TRAINED_PARTS:
            vars(module)[name] = module._parameters[name].to(self.dtype)  # found before the parameter of that name


def _restore(module: nn.Module, _args: tuple[Any, ...], _output: Any) -> None:
    for name in TRAINED_PARTS:
        vars(module).pop(name, None)
