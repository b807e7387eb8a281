"""LoRA on PEFT: which update, on which layers, from which start.

PEFT has the arithmetic, and `peft_base` what all methods on PEFT share. What is left is what PEFT does otherwise:
a start from the weights that can be switched off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import peft
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel

from ftcore.parameters import check_same, copy_into
from ftcore_plugins.lora.config import LoraConfig
from ftcore_plugins.lora.starts import START, join, part, start_from_weights
from ftcore_plugins.peft_base.method import PeftMethod, task_type, tensors, untied
from ftcore_plugins.peft_base.targets import chosen, existing


class Lora(PeftMethod):
    """
    >>> method = Lora(LoraConfig(rank=8))
    >>> model = method.attach(AutoModelForCausalLM.from_pretrained(folder))
    """

    config: LoraConfig

    def attach(self, model: PreTrainedModel) -> PeftModel:
        """Raises UsageError when the settings name layers that the model does not have."""
        attached = super().attach(model)
        if self.config.starts_from_weights:
            start_from_weights(attached, self.config.init)
        return attached

    def peft_config(self, model: PreTrainedModel) -> peft.LoraConfig:
        config = self.config
        is_plain = config.starts_from_weights or config.init == "default"
        whole = [existing(model, name, "method.modules_to_save") for name in config.modules_to_save]
        return peft.LoraConfig(
            task_type=task_type(model),
            r=config.rank,
            lora_alpha=config.alpha,
            lora_dropout=config.dropout,
            target_modules=chosen(model, config.targets),
            use_rslora=config.rslora,
            use_dora=config.dora,
            init_lora_weights=True if is_plain else config.init,
            modules_to_save=whole or None,
            # A head tied to its embedding stays so: training one of them trains both.
            ensure_weight_tying=bool(whole) and bool(getattr(model.config, "tie_word_embeddings", False)),
        )

    def parameter_groups(self, model: PeftModel, learning_rate: float) -> list[dict[str, Any]] | None:
        """With LoRA+, B learns `plus_ratio` times as fast as everything else; without it, all is as usual."""
        if self.config.plus_ratio is None:
            return None
        trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        fast = [parameter for name, parameter in trained if ".lora_B." in name]
        rest = [parameter for name, parameter in trained if ".lora_B." not in name]
        return [
            {"params": rest, "lr": learning_rate},
            {"params": fast, "lr": learning_rate * self.config.plus_ratio},
        ]

    def state(self, model: PeftModel) -> dict[str, Tensor]:
        """The adapter as it is saved, by PEFT's names."""
        return untied(join(tensors(model), _start(model)))

    def load_state(self, model: PeftModel, state: Mapping[str, Tensor]) -> None:
        check_same(self.state(model), state)
        trained, start = part(state, _start(model))
        copy_into(tensors(model), trained)
        copy_into(_start(model), start)

    def saved_config(self, model: PeftModel) -> peft.LoraConfig:
        """The adapter's own configuration as a plain LoRA that starts from nothing."""
        config = super().saved_config(model)
        if self.config.starts_from_weights:
            config.r *= 2
            config.lora_alpha *= math.sqrt(2) if config.use_rslora else 2  # the scale stays what it was
        return config


def _start(model: PeftModel) -> dict[str, Tensor]:
    """The tensors of the constant adapter that is subtracted, if there is one."""
    return tensors(model, START) if START in model.peft_config else {}
