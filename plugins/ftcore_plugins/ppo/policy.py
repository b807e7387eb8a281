"""What the policy says of answers, token by token: how likely each was, and what the value head expected before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ftcore.errors import ModelError
from ftcore.pairs import IGNORED, answer_logits, padded

if TYPE_CHECKING:
    from ftcore_plugins.rollouts.trainer import Side


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
