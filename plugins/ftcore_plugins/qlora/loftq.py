"""LoftQ (Li et al. 2023, https://arxiv.org/abs/2310.08659): A and B start as what four bits took off the weights.

With Q the four-bit weights, s·B·A is the best approximation of W − Q of its rank, so that Q + s·B·A is nearer to W than
Q is. This is the paper's algorithm with one round: Q stays what bitsandbytes made of W, and an adapter of the usual
kind comes out. PEFT's own function needs CUDA and forgets the scale s.
"""

from __future__ import annotations

from pathlib import Path

import torch
from bitsandbytes.nn import Linear4bit
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from peft.utils.integrations import dequantize_module_weight
from safetensors import safe_open
from torch import Tensor

from ftcore.errors import ModelError
from ftcore_plugins.lora.starts import factors, fill
from ftcore_plugins.peft_base.method import TRAINED

ROUNDS = 8
"""Of the randomised decomposition. The error of rounding has no few strong directions, so that two are not enough."""


def start_from_the_error(model: PeftModel) -> None:
    """Set A and B of every LoRA layer in four bits. The weights are read again, one at a time, from where they were.

    Raises ModelError where they are not found.
    """
    base = model.get_base_model()
    files = _files(Path(base.name_or_path))
    for name, layer in base.named_modules():
        if isinstance(layer, LoraLayer) and isinstance(layer.get_base_layer(), Linear4bit):
            held = dequantize_module_weight(layer.get_base_layer()).detach().float()
            error = _read(files, f"{name}.weight").to(held) - held
            a, b = factors(error, layer.r[TRAINED], layer.scaling[TRAINED], f"pissa_niter_{ROUNDS}")
            fill(layer.lora_A[TRAINED].weight, layer.lora_B[TRAINED].weight, a, b)


def _files(folder: Path) -> dict[str, Path]:
    """In which file each tensor of the model is."""
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            found |= dict.fromkeys(file.keys(), path)
    return found


def _read(files: dict[str, Path], name: str) -> Tensor:
    if name not in files:
        raise ModelError(
            f"LoftQ reads the unrounded weights again, and there is no tensor {name} in the model's files",
            where="method.loftq",
            fix="--no-method.loftq",
        )
    with safe_open(files[name], framework="pt") as file:
        return file.get_tensor(name).to(torch.float32)
