r"""The adapter itself, and how it is hung onto a module of the base model.

With d the width of the model, m that of the bottleneck, f a nonlinearity and s a scale, an adapter computes

    A(x) = s · (W_up · f(W_down · x + b_down) + b_up),    W_down of shape (m, d), W_up of shape (d, m),

and changes the answer h of the module that it is hung onto, whose input is x:

    h ← h + A(h)    behind it: Houlsby et al. 2019 (https://arxiv.org/abs/1902.00751, figure 2),
                    Pfeiffer et al. 2020 (https://arxiv.org/abs/2005.00247)
    h ← h + A(x)    beside it: He et al. 2022 (https://arxiv.org/abs/2110.04366, table 1)

W_up and both biases start at zero, so A = 0 and the model answers as its base does; W_down starts as the first matrix
of LoRA does, as in the code of He et al. Whatever the block does next, adding the residual or, in Gemma 2, normalising
first, it does to the changed h.

No module of the base model is wrapped or replaced: the adapter becomes the child `adapter` of the module, and a forward
hook adds what it says. So every parameter of the base keeps its name. The hook is a plain function that finds the
adapter on the module that called it, so that a copy of the model uses its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ftcore.errors import ModelError
from ftcore_plugins.adapter.config import AdapterConfig

NAME = "adapter"
"""What the adapter is called as a child of its module."""


class Bottleneck(nn.Module):
    """A(x) for the last dimension of x. Held and, but for autocast, computed in float32, whatever comes in."""

    def __init__(self, config: AdapterConfig, width: int) -> None:
        super().__init__()
        narrow = max(1, width // config.reduction_factor)
        self.down = nn.Linear(width, narrow, dtype=torch.float32)
        self.up = nn.Linear(narrow, width, dtype=torch.float32)
        for start_at_zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(start_at_zero)
        if config.chosen_scale == "learned":
            self.scale = nn.Parameter(torch.ones(1, dtype=torch.float32))
        else:
            self.register_buffer("scale", torch.full((1,), config.chosen_scale, dtype=torch.float32))
        self.nonlinearity = getattr(functional, config.nonlinearity)
        self.dropout = config.dropout
        self.reads_input = config.variant == "parallel"
        self.enabled = True

    def forward(self, x: Tensor) -> Tensor:
        """(…, d) → (…, d), in float32."""
        narrow = self.nonlinearity(self.down(x.to(self.down.weight.dtype)))
        return self.scale * self.up(functional.dropout(narrow, self.dropout, self.training))


def hang(adapter: Bottleneck, module: nn.Module) -> None:
    """Let the adapter change what the module answers. Raises ModelError when the module has a part of that name."""
    if hasattr(module, NAME):
        raise ModelError(f"{type(module).__name__} has a part named {NAME!r} already, so no adapter can be added")
    weight = next(module.parameters())
    module.add_module(NAME, adapter.to(weight.device))
    module.register_forward_hook(_add, with_kwargs=True)


def _add(module: nn.Module, inputs: tuple[Any, ...], named: Mapping[str, Any], output: Any) -> Any:
    """The module's answer with the adapter's added, in its own dtype. Of a tuple (an attention's answer and weights, a
    mixture's answer and router logits) the first is changed."""
    adapter: Bottleneck = getattr(module, NAME)
    if not adapter.enabled:
        return output
    hidden = output[0] if isinstance(output, tuple) else output
    source = [*inputs, *named.values()][0] if adapter.reads_input else hidden
    changed = (hidden + adapter(source)).to(hidden.dtype)
    return (changed, *output[1:]) if isinstance(output, tuple) else changed
