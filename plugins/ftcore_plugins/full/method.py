"""Full fine-tuning: every parameter trains, in full precision, and the result is a whole model.

It keeps no copy of what the model was, so it cannot be switched off to serve as its own reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from ftcore.parameters import load_trainable, trainable_state
from ftcore_plugins.full.config import FullConfig


class Full:
    def __init__(self, config: FullConfig) -> None:
        self.config = config

    def load_options(self) -> dict[str, Any]:
        return {}

    def attach(self, model: PreTrainedModel) -> nn.Module:
        return model.requires_grad_(True)

    def state(self, model: nn.Module) -> dict[str, Tensor]:
        return trainable_state(model)

    def load_state(self, model: nn.Module, state: Mapping[str, Tensor]) -> None:
        load_trainable(model, state)

    def merge(self, model: nn.Module) -> PreTrainedModel:
        return model

    def save(self, model: nn.Module, folder: Path) -> None:
        model.save_pretrained(folder)
