"""Small tools for tests of methods: fixed inputs, a few steps, and what a model answers.

Everything is on tiny models and in seconds; nothing here is for real training.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


def batch() -> dict[str, Tensor]:
    """Two rows of 24 tokens, always the same, as model inputs with labels."""
    generator = torch.Generator().manual_seed(7)
    ids = torch.randint(3, 250, (2, 24), generator=generator)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.clone()}


def train(model: Any, steps: int = 1, learning_rate: float = 1e-2) -> None:
    """Some AdamW steps on `batch()`, without weight decay: it would move what has no gradient."""
    model.train()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.0)
    for _ in range(steps):
        model(**batch()).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def gradients(model: Any) -> dict[str, Tensor]:
    """The gradient of every parameter that gets one on `batch()`. Leaves none behind."""
    model.train()
    model.zero_grad()
    model(**batch()).loss.backward()
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def logits(model: Any) -> Tensor:
    """What the model answers on `batch()` in evaluation: (rows, tokens, vocabulary)."""
    with evaluating(model), torch.no_grad():
        return _logits(model)


def plain_logits(model: Any) -> Tensor:
    """The same of a model that no method has prepared, in training mode: nothing is dropped, and in evaluation
    bitsandbytes rounds the scales of 4-bit weights on some processors."""
    with torch.no_grad():
        return _logits(model.train())


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Inside, the model is in evaluation mode; afterwards it is in the mode that it was in."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def snapshot(model: Any) -> dict[str, Tensor]:
    """A copy of all parameters and buffers."""
    return {name: tensor.detach().clone() for name, tensor in [*model.named_parameters(), *model.named_buffers()]}


def _logits(model: Any) -> Tensor:
    """A model that others load may answer for virtual tokens before the text too; those are left out."""
    inputs = batch()
    length = inputs.pop("labels").shape[1]
    answers: Tensor = model(**inputs).logits
    return answers[:, -length:].float().clone()
