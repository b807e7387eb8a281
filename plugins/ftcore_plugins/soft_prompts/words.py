"""Tokens to begin from: those of a text, or common ones drawn at random."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ftcore.errors import UsageError

COMMON = 5000
"""The first tokens of a vocabulary, which are its most common ones in byte-pair encoding. Lester et al. draw from as
many (https://arxiv.org/abs/2104.08691, section 3.1)."""


def of_text(tokenizer: PreTrainedTokenizerBase, text: str, count: int) -> Tensor:
    """The text's tokens (count,), repeated or cut. Raises UsageError for a text without any."""
    ids = tokenizer(text)["input_ids"]
    if not ids:
        raise UsageError("the text has no tokens", where="method.text", value=text, fix="--method.init vocabulary")
    return torch.tensor(ids).repeat(-(-count // len(ids)))[:count]


def common(tokenizer: PreTrainedTokenizerBase, count: int) -> Tensor:
    """Common tokens (count,), none of them special, drawn with torch's random numbers."""
    usual = sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids))[:COMMON]
    return torch.tensor(usual)[torch.randint(len(usual), (count,))]
