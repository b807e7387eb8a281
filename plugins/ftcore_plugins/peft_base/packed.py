"""Base weights held in four bits by bitsandbytes: kept fit for training, and unpacked to merge into.

Imports bitsandbytes, so it is itself imported only for a model that is held so.
"""

from __future__ import annotations

from collections.abc import Iterator

from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn import Linear4bit
from torch import nn
from transformers import PreTrainedModel

from ftcore.errors import ModelError


def quantised(model: nn.Module) -> Iterator[tuple[str, Linear4bit]]:
    """The layers that are held in four bits, by name."""
    return ((name, module) for name, module in model.named_modules() if isinstance(module, Linear4bit))


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


def unpack(base: PreTrainedModel) -> None:
    """Turn every layer into an ordinary one in float32, holding the weights that it multiplies with."""
    for name, layer in list(quantised(base)):
        base.set_submodule(name, _unpacked(layer))
    base.hf_quantizer.remove_quantization_config(base)


def _unpacked(layer: Linear4bit) -> nn.Linear:
    if layer.compute_dtype is not None:
        layer.weight.quant_state.dtype = layer.compute_dtype
    weight = dequantize_4bit(layer.weight.data, layer.weight.quant_state).float()
    linear = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
    linear.weight = nn.Parameter(weight, requires_grad=False)
    linear.bias = layer.bias
    return linear
