"""Adapters that start as a part of the weights (PiSSA, OLoRA), without touching the weights.

Both papers split W into sB₀A₀ and a residue, freeze the residue and train A and B from A₀ and B₀. PEFT overwrites W
with the residue; then the adapter cannot be switched off, and on the original model it gives other answers. Here W
stays, and a second, constant adapter subtracts sB₀A₀:

    y = W·x + s·B·A·x − s·B₀·A₀·x        which is        y = W·x + s·[B, −B₀]·[A; A₀]·x

so what is saved is a plain LoRA of twice the rank for the original model. Since A₀ and B₀ are saved too, it does not
matter whether the decomposition comes out the same another time.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from peft.utils.integrations import dequantize_module_weight
from torch import Tensor, nn

from ftcore_plugins.peft_base.method import TRAINED

START = "start"
"""PEFT's name for the constant adapter that is subtracted."""


def start_from_weights(model: PeftModel, init: str) -> None:
    """Set A and B of every LoRA layer to A₀ and B₀ and add the constant adapter that subtracts them."""
    config = copy.deepcopy(model.peft_config[TRAINED])
    config.modules_to_save, config.modules_to_tie, config.ensure_weight_tying, config.lora_dropout = (
        None,
        None,
        False,
        0.0,
    )
    PeftModel.add_adapter(model, START, config)  # a classifier's own would give its head a second copy
    model.base_model.set_adapter([TRAINED, START])
    for layer in lora_layers(model):
        weight = dequantize_module_weight(layer.get_base_layer()).detach().to(torch.float32)
        weight = weight.T if layer.fan_in_fan_out else weight
        a, b = factors(weight, layer.r[TRAINED], layer.scaling[TRAINED], init)
        fill(layer.lora_A[TRAINED].weight, layer.lora_B[TRAINED].weight, a, b)
        fill(layer.lora_A[START].weight, layer.lora_B[START].weight, a, -b)
        _make_constant(layer.lora_A[START])
        _make_constant(layer.lora_B[START])


def factors(weight: Tensor, rank: int, scale: float, init: str) -> tuple[Tensor, Tensor]:
    """A₀ (k, in) and B₀ (out, k) with k ≤ `rank`, from a weight (out, in).

    PiSSA: with W = U·S·Vᵀ, A₀ = √(S_r/s)·V_rᵀ and B₀ = U_r·√(S_r/s), so that s·B₀·A₀ is the strongest part of W.
    OLoRA: with W = Q·R, A₀ = R_r and B₀ = Q_r, whatever the scale s.
    """
    if init == "olora":
        q, r = torch.linalg.qr(weight)
        return r[:rank], q[:, :rank]
    if init == "pissa":
        u, s, vt = torch.linalg.svd(weight, full_matrices=False)
    else:
        u, s, v = torch.svd_lowrank(weight, q=min(rank, *weight.shape), niter=int(init.removeprefix("pissa_niter_")))
        vt = v.T
    root = (s[:rank] / scale).sqrt()
    return root[:, None] * vt[:rank], u[:, :rank] * root


def lora_layers(model: nn.Module) -> Iterator[LoraLayer]:
    """Every layer that has an adapter of its own."""
    return (module for module in model.modules() if isinstance(module, LoraLayer))


def join(trained: Mapping[str, Tensor], start: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """One adapter of twice the rank that answers as both do together: `[A; A₀]` and `[B, −B₀]`."""
    return {
        name: torch.cat((tensor, start[name]), dim=_rank_dimension(name)) if name in start else tensor
        for name, tensor in trained.items()
    }


def part(state: Mapping[str, Tensor], start: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Undo `join`."""
    halves = {name: state[name].chunk(2, dim=_rank_dimension(name)) for name in start}
    trained = {name: halves[name][0] if name in halves else tensor for name, tensor in state.items()}
    return trained, {name: second for name, (_, second) in halves.items()}


def _rank_dimension(name: str) -> int:
    return 0 if ".lora_A." in name else 1


def fill(into_a: Tensor, into_b: Tensor, a: Tensor, b: Tensor) -> None:
    """Where the weight is smaller than the rank, the rest of A keeps its random start and the rest of B is zero."""
    with torch.no_grad():
        into_b.zero_()
        into_a[: len(a)] = a
        into_b[:, : len(a)] = b


def _make_constant(linear: nn.Linear) -> None:
    """Turn the weight into a buffer: PEFT makes every parameter of an active adapter trainable, again and again."""
    weight = linear.weight.detach()
    del linear.weight
    linear.register_buffer("weight", weight)
