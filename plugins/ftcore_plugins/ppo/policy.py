"""What the policy says of answers, token by token: how likely each was, and what the value head expected before it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ftcore.errors import ModelError
from ftcore.pairs import IGNORED, answer_logits, padded
from ftcore.protocols import SwitchableMethod

if TYPE_CHECKING:
    from ftcore.run.session import Session

Side = tuple[list[int], list[int]]
"""The tokens of a prompt and of an answer to it."""


@dataclass(frozen=True, slots=True)
class Said:
    """All are (answers, tokens of the longest), 0 behind an answer's end. Values stand before the token is known."""

    log_probs: Tensor
    entropy: Tensor
    values: Tensor


def value_head(model: Any) -> nn.Linear:
    """V = w·h + b on the last state h of the model's body, in float32; it begins at V = 0. Raises ModelError for a
    model without a head, before which h could be seen."""
    if model.get_output_embeddings() is None:
        raise ModelError(f"{type(model).__name__} has no output head to put a value head beside")
    head = nn.Linear(model.config.get_text_config().hidden_size, 1, dtype=torch.float32)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head.to(next(model.parameters()).device)


def ask(model: nn.Module, head: nn.Linear, sides: Sequence[Side], padding: int, temperature: float) -> Said:
    """What model and value head say of these answers. Nothing is said of the entropy's gradient, which costs memory."""
    logs_NV, tokens_N, states_NH = _logs(model, sides, padding, temperature)
    with torch.no_grad():
        entropy_N = -(logs_NV.exp() * logs_NV).sum(dim=-1)
    return Said(
        log_probs=_rows(logs_NV.gather(1, tokens_N[:, None]).squeeze(1), sides),
        entropy=_rows(entropy_N, sides),
        values=_rows(head(states_NH.float()).squeeze(-1), sides),
    )


def log_probs(model: nn.Module, sides: Sequence[Side], padding: int, temperature: float) -> Tensor:
    """Of each token of these answers, (answers, tokens of the longest)."""
    logs_NV, tokens_N, _ = _logs(model, sides, padding, temperature)
    return _rows(logs_NV.gather(1, tokens_N[:, None]).squeeze(1), sides)


def _logs(model: nn.Module, sides: Sequence[Side], padding: int, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    device = next(model.parameters()).device
    batch = {name: tensor.to(device) for name, tensor in padded(list(sides), padding).items()}
    logits_NV, states_NH = answer_logits(model, batch)
    assert states_NH is not None, "there is a head, or there would be no value head"
    labels_BT = batch["labels"][:, 1:]
    return (logits_NV.float() / temperature).log_softmax(dim=-1), labels_BT[labels_BT != IGNORED], states_NH


def _rows(flat_N: Tensor, sides: Sequence[Side]) -> Tensor:
    return pad_sequence(list(flat_N.split([len(answer) for _, answer in sides])), batch_first=True)


class Reference:
    """The model as it was before training: the method switched off, or a copy where that cannot be.

    Trainers are built before anything is trained or taken from a checkpoint, so the copy is made then.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        switchable = session.plan.method.spec.switchable
        self._copy = None if switchable else copy.deepcopy(session.model).requires_grad_(False).eval()

    @contextmanager
    def model(self, trained: nn.Module) -> Iterator[nn.Module]:
        """Inside, the reference; `trained` is the model as the trainer calls it."""
        if self._copy is not None:
            yield self._copy
            return
        method = self._session.method
        assert isinstance(method, SwitchableMethod)
        with method.disabled(self._session.model):
            yield trained


@contextmanager
def without_dropout(model: nn.Module) -> Iterator[None]:
    """Inside, nothing is dropped, or the ratios of probabilities would be noise.

    Modules with tensors of their own are left in training, since 4-bit layers and some adapters compute otherwise
    outside of it; and so are blocks that are to be recomputed, which would not be.
    """
    modules = [
        (module, module.training)
        for module in model.modules()
        if not (module._parameters or module._buffers or getattr(module, "gradient_checkpointing", False))
    ]
    for module, _ in modules:
        module.training = False
    try:
        yield
    finally:
        for module, was_training in modules:
            module.training = was_training
