"""QLoRA: LoRA over base weights held in four bits by bitsandbytes. Everything but the weights is LoRA's.

PEFT's `prepare_model_for_kbit_training` is not used. It makes norms, embeddings and head float32, which costs memory
(the embedding is a fifth of a small model) and forces each activation through another dtype; it freezes what PEFT
freezes anyway; and it turns gradient checkpointing on, which is the user's choice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn import Linear4bit
from peft import PeftModel
from torch import nn
from transformers import BitsAndBytesConfig, PreTrainedModel

from ftcore.errors import ModelError
from ftcore_plugins.lora.method import Lora
from ftcore_plugins.qlora.config import QloraConfig


class Qlora(Lora):
    config: QloraConfig

    def load_options(self) -> dict[str, Any]:
        """Quantise while loading. transformers leaves the head and what is tied to it as they are."""
        double = torch.cuda.is_available() if self.config.double_quant is None else self.config.double_quant
        quantization = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type=self.config.quant_type, bnb_4bit_use_double_quant=double
        )
        return {"quantization_config": quantization}

    def attach(self, model: PreTrainedModel) -> PeftModel:
        """Raises ModelError when the model was not loaded with `load_options`, or has already been asked."""
        layers = list(_quantised(model))
        if not layers:
            raise ModelError("the model is not held in four bits", fix="load it with the method's load_options")
        dtype = self._compute_dtype(model)
        for _, layer in layers:
            keep_trainable(layer)
            layer.compute_dtype, layer.compute_type_is_set = dtype, True
        return super().attach(model)

    def _compute_dtype(self, model: PreTrainedModel) -> torch.dtype:
        if self.config.compute_dtype != "auto":
            return getattr(torch, self.config.compute_dtype)
        return model.get_input_embeddings().weight.dtype

    def _in_full_precision(self, base: PreTrainedModel) -> PreTrainedModel:
        """PEFT would fold into four bits and round; here every layer first becomes what training saw of it."""
        for name, layer in list(_quantised(base)):
            base.set_submodule(name, unpacked(layer))
        base.hf_quantizer.remove_quantization_config(base)
        base.is_loaded_in_4bit = False
        return base.float()


def keep_trainable(layer: Linear4bit) -> None:
    """Keep bitsandbytes from repacking the layer for inference.

    On a processor with AVX512-BF16 it does so at the first evaluation (bitsandbytes 0.50.2, nn/modules.py), rounding
    the scales to bfloat16, and never undoes it; the next training step then passes no gradient through the layer,
    silently.
    """
    if getattr(layer.weight.quant_state, "packing_format_for_cpu", False):
        raise ModelError(
            "the 4-bit weights were repacked by an evaluation", fix="attach the method right after loading"
        )
    layer.support_avx512bf16_for_cpu = False


def unpacked(layer: Linear4bit) -> nn.Linear:
    """The layer as an ordinary one in float32, holding the weights that it multiplies with."""
    layer.weight.quant_state.dtype = layer.compute_dtype
    weight = dequantize_4bit(layer.weight.data, layer.weight.quant_state).float()
    linear = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
    linear.weight = nn.Parameter(weight, requires_grad=False)
    linear.bias = layer.bias
    return linear


def _quantised(model: nn.Module) -> Iterator[tuple[str, Linear4bit]]:
    return ((name, module) for name, module in model.named_modules() if isinstance(module, Linear4bit))
