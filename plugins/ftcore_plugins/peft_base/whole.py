"""Modules that train whole (`modules_to_save`, norms), kept in float32 inside a model of lower precision.

PEFT upcasts its adapters but not these copies. In bfloat16 a weight near 1 cannot change by less than 0.4 %, so most
optimizer steps would be lost; in float32 the module cannot take its neighbours' activations as they are.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.ln_tuning.layer import LNTuningLayer
from peft.utils.other import ModulesToSaveWrapper
from torch import Tensor, nn


def hold_in_full_precision(model: nn.Module) -> None:
    """Make every such copy float32, casting what goes in, and casting what comes out back to its neighbours' dtype.

    The casts hang on PEFT's wrapper, so they go when the adapter is unloaded.
    """
    for wrapper in model.modules():
        if isinstance(wrapper, ModulesToSaveWrapper):
            _hold(wrapper, wrapper.original_module, wrapper.modules_to_save)
        elif isinstance(wrapper, LNTuningLayer):
            _hold(wrapper, wrapper.base_layer, wrapper.ln_tuning_layers)


def _hold(wrapper: nn.Module, original: nn.Module, copies: nn.Module) -> None:
    dtype = next((weight.dtype for weight in original.parameters()), torch.float32)
    if dtype in (torch.bfloat16, torch.float16):
        copies.to(torch.float32)
        wrapper.register_forward_pre_hook(_inputs_in_float32)
        wrapper.register_forward_hook(_Output(dtype))


def _inputs_in_float32(wrapper: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Switched off, the original module answers, and takes what it always took. Token numbers are no floats."""
    if wrapper.disable_adapters:
        return inputs
    return tuple(
        value.float() if isinstance(value, Tensor) and value.is_floating_point() else value for value in inputs
    )


class _Output:
    """A class, not a closure, so that the model can still be copied."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def __call__(self, _wrapper: nn.Module, _inputs: tuple[Any, ...], output: Any) -> Any:
        return output.to(self.dtype) if isinstance(output, Tensor) else output
