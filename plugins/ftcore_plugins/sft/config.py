"""Settings of supervised fine-tuning."""

from __future__ import annotations

from typing import Literal

from ftcore.settings import Settings


class SftConfig(Settings):
    """Which text the model reads, and how rows share a batch."""

    template: Literal["chat", "none"] = "chat"
    """`chat` renders rows with the model's chat template, as they will be at inference; `none` joins prompt and answer
    as they are, for rows that bring their own layout."""

    packing: bool = False
    """Put several short rows into one of `train.max_length` tokens, each seeing itself only. Faster for short rows; the
    held-out rows are never packed."""

    loss: Literal["nll", "dft"] = "nll"
    """`nll` is cross-entropy; `dft` weighs each token by its own probability (Dynamic Fine-Tuning,
    arXiv:2508.05629)."""
