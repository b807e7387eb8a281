"""Small functions for authors of tuning methods: freezing, counting, checkpointing, finding the blocks.

They look only at parameters and module lists, never at an architecture's name. Importing this module does not import
torch, so that a whole method may stand in one file.

A method that trains the biases needs no more than this, and the spec's `switchable=False`:

    class Bias:
        def load_options(self): return {}
        def attach(self, model):
            freeze_all(model)
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(name.endswith(".bias"))
            return model
        def state(self, model): return trainable_state(model)
        def load_state(self, model, state): load_trainable(model, state)
        def merge(self, model): return model
        def save(self, model, folder): model.save_pretrained(folder)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ftcore.errors import ModelError
from ftcore.loading.words import few

if TYPE_CHECKING:
    from torch import Tensor, nn


def freeze_all(model: nn.Module) -> None:
    """No parameter of the model trains afterwards."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)


def trainable_state(model: nn.Module) -> dict[str, Tensor]:
    """The parameters that train, by name, a tied one once. They share memory with the model: copy what you keep."""
    return {name: parameter.detach() for name, parameter in model.named_parameters() if parameter.requires_grad}


def load_trainable(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put back what `trainable_state` gave. Raises ValueError naming what is missing, unexpected or misshapen."""
    copy_into(trainable_state(model), state)


def copy_into(target: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Copy `state` into tensors of the same names and shapes, or raise ValueError and change nothing."""
    check_same(target, state)
    import torch

    with torch.no_grad():
        for name, tensor in target.items():
            tensor.copy_(state[name])


def check_same(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless both have the same names with the same shapes; it names the first few that differ."""
    if found := differences(expected, state):
        raise ValueError(f"the state does not fit the model; {found}")


def differences(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    """In what names and shapes differ, in words: `missing: a; unexpected: b, c`. Empty when they do not."""
    shared = expected.keys() & state.keys()
    problems = {
        "missing": sorted(expected.keys() - shared),
        "unexpected": sorted(state.keys() - shared),
        "another shape": [
            f"{name} is {list(state[name].shape)}, not {list(expected[name].shape)}"
            for name in sorted(shared)
            if state[name].shape != expected[name].shape
        ],
    }
    return "; ".join(f"{kind}: {few(names)}" for kind, names in problems.items() if names)


def count(model: nn.Module) -> tuple[int, int]:
    """How many numbers train, and how many there are: `(trainable, total)`.

    A tied parameter counts once. A 4-bit weight counts the numbers it stands for, not the bytes it is packed in.
    """
    sizes = [(_size(parameter), parameter.requires_grad) for parameter in model.parameters()]
    return sum(size for size, trains in sizes if trains), sum(size for size, _ in sizes)


def new_head(model: nn.Module) -> nn.Module | None:
    """The head that a strategy has put on the pre-trained body, or None where the model has its own.

    It starts at random, so a method whose record names it in `heads` trains it and has it in its `state`.
    """
    is_classifier = "SequenceClassification" in type(model).__name__
    return getattr(model, "score", None) if is_classifier else None


def decoder_blocks(model: nn.Module) -> nn.ModuleList:
    """The stack of blocks that the model is made of: the longest list of modules of one class.

    Lists inside of lists do not count, since the experts of one block may outnumber the blocks. Raises ModelError for
    a model without such a list.
    """
    from torch import nn

    lists = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    outer = [
        module
        for name, module in lists
        if not any(name.startswith(f"{other}.") for other, _ in lists) and len({type(block) for block in module}) == 1
    ]
    if not outer:
        raise ModelError(f"{type(model).__name__} has no stack of equal blocks")
    return max(outer, key=len)


def _size(parameter: Tensor) -> int:
    quantised = getattr(parameter, "quant_state", None)
    return parameter.numel() if quantised is None else math.prod(quantised.shape)
