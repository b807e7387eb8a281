r"""The update itself: what it computes, how it starts, and how it is hung onto a linear layer.

For a weight W of shape (m, n), ABBA (https://arxiv.org/abs/2505.14238, equation 3) learns

    ΔW = s · (B₁A₁) ⊙ (B₂A₂),    B₁, B₂ of shape (m, r),    A₁, A₂ of shape (r, n),    s = α²/r.

ΔW need not be formed. With ⊗ᵣ the products of every entry of one row (of B) or column (of A) with every entry of the
other (Khatri-Rao), of which there are r² (theorem 1),

    ΔW = s · (B₁ ⊗ᵣ B₂)(A₁ ⊗ᵣ A₂),    so that    ΔW·x = s · B_*(A_* x),    B_* (m, r²), A_* (r², n).

The first pair starts as the best approximation of W of rank r, from its singular value decomposition, the second as
LoRA does, with B₂ = 0: so ΔW = 0, and what B₂ learns first is spread as W is. Were both pairs to start at zero, no
gradient would reach either.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

NAME = "abba"
"""What the update is called as a child of its layer."""

SPARE = 8
"""Directions beyond the rank that the randomised decomposition follows; 5 to 10 are usual (arXiv:0909.4061)."""


class Update(nn.Module):
    """ΔW·x for the last dimension of x. Held and, but for autocast, computed in float32, whatever comes in."""

    def __init__(self, weight_MN: Tensor, rank: int, alpha: float) -> None:
        super().__init__()
        b1_MR, a1_RN = strongest(weight_MN.detach().float(), rank)
        self.B1, self.A1 = nn.Parameter(b1_MR), nn.Parameter(a1_RN)
        self.B2, self.A2 = nn.Parameter(torch.zeros_like(b1_MR)), nn.Parameter(torch.empty_like(a1_RN))
        nn.init.kaiming_uniform_(self.A2)  # as the authors' code does it
        self.scale = alpha**2 / rank
        self.enabled = True

    def forward(self, x: Tensor) -> Tensor:
        """(…, n) → (…, m)."""
        a_KN = (self.A1[:, None] * self.A2[None]).flatten(0, 1)
        b_MK = (self.B1[:, :, None] * self.B2[:, None]).flatten(1)
        return self.scale * functional.linear(functional.linear(x.to(a_KN.dtype), a_KN), b_MK)

    def delta(self) -> Tensor:
        """ΔW, (m, n)."""
        return self.scale * (self.B1 @ self.A1) * (self.B2 @ self.A2)


def strongest(weight_MN: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """B (m, r) and A (r, n) with B·A nearly the best approximation of the weight of that rank, and of equal lengths.

    The decomposition is a randomised one: of a (4096, 11008) matrix it is had in a second, where an exact one takes a
    minute, and the error is larger by less than a hundredth.
    """
    u_MR, s_R, v_NR = torch.svd_lowrank(weight_MN, q=min(rank + SPARE, *weight_MN.shape), niter=4)
    root_R = s_R[:rank].sqrt()
    return (u_MR[:, :rank] * root_R).contiguous(), (v_NR[:, :rank] * root_R).T.contiguous()


def hang(layer: nn.Module, rank: int, alpha: float) -> None:
    """Let an update change what the layer answers. The layer keeps its place, and its parameters their names."""
    update = Update(matrix(layer), rank, alpha)
    layer.add_module(NAME, update)
    update.hook = layer.register_forward_hook(_add)


def take_off(layer: nn.Module) -> Update:
    """The layer as it was, and its update."""
    update: Any = layer.get_submodule(NAME)
    update.hook.remove()
    delattr(layer, NAME)
    return update


def matrix(layer: nn.Module) -> Tensor:
    """The layer's weight as (outputs, inputs), sharing memory. GPT-2's `Conv1D` holds it the other way round."""
    weight: Any = layer.weight
    return weight.data if isinstance(layer, nn.Linear) else weight.data.T


def _add(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    update: Any = layer.get_submodule(NAME)  # found on the layer, so that a copy of the model uses its own
    return (output + update(inputs[0])).to(output.dtype) if update.enabled else output
