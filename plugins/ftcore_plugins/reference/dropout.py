"""The mode of a model for a while: in which log-probabilities compare, since nothing is dropped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def mode(model: nn.Module, training: bool | None) -> Iterator[None]:
    """Inside, all modules are in one mode (None: in their own); afterwards each is in the mode that it was in."""
    before = [(module, module.training) for module in model.modules()]
    if training is not None:
        model.train(training)
    try:
        yield
    finally:
        for module, was_training in before:
            module.training = was_training


@contextmanager
def without_dropout(model: nn.Module, learning: bool) -> Iterator[None]:
    """Inside, nothing is dropped, or what is compared would be noise.

    Modules with tensors of their own are left in their mode, since outside of training 4-bit layers round their scales
    otherwise and some adapters compute otherwise. So are, where the model is `learning`, blocks that are to be
    recomputed, which would not be.
    """
    with mode(model, None):
        for module in model.modules():
            is_recomputed = learning and getattr(module, "gradient_checkpointing", False)
            if not (module._parameters or module._buffers or is_recomputed):
                module.training = False
        yield
