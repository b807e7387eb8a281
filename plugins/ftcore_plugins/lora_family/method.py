"""The one class of all rows: from a row and its settings to what PEFT builds, and the refusal of what does not fit.

PEFT builds layer by layer and finds a misfit in the middle. Here the layers are looked at first, so that the message
can name the layer and a value that fits all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import peft
from peft import PeftModel
from peft.tuners.boft import layer as boft
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from ftcore.errors import ModelError, UsageError
from ftcore.parameters import new_head
from ftcore_plugins.lora_family.config import FamilySettings
from ftcore_plugins.lora_family.row import Setting
from ftcore_plugins.peft_base.method import PeftMethod, task_type
from ftcore_plugins.peft_base.targets import chosen, is_meant

# PEFT's BOFT compiles a CUDA extension when it is attached. One butterfly factor does not need it.
boft._FBD_CUDA = False


class FamilyMethod(PeftMethod):
    """
    >>> from ftcore_plugins.lora_family import config
    >>> FamilyMethod(config.vera(rank=64)).attach(model)
    """

    def __init__(self, config: FamilySettings) -> None:
        super().__init__(config)
        self.row = config.row

    def peft_config(self, model: PreTrainedModel) -> peft.PeftConfig:
        """Raises UsageError where the settings do not fit the model, ModelError where the method does not."""
        targets = chosen(model, self.config.targets)
        layers = dict(_layers(model, self.config.targets))
        self._must_take(model, layers)
        for setting in self.row.settings:
            _must_divide(setting, getattr(self.config, setting.name), layers)
        given = {setting.peft: getattr(self.config, setting.name) for setting in self.row.settings if setting.peft}
        return getattr(peft, self.row.peft)(
            task_type=task_type(model), target_modules=targets, **given, **self.row.fixed
        )

    def attach(self, model: PreTrainedModel) -> PeftModel:
        try:
            return super().attach(model)
        except (ValueError, TypeError, NotImplementedError) as error:
            first = self.row.settings[0].name
            raise UsageError(
                f"{self.row.name} does not fit {type(model).__name__}: {error}",
                where=f"method.{first}",
                value=getattr(self.config, first),
                fix=f"--method.{first} {self._smaller()}",
            ) from None

    def _smaller(self) -> Any:
        value = getattr(self.config, self.row.settings[0].name)
        return max(1, value // 2) if isinstance(value, int) else value

    def _must_take(self, model: PreTrainedModel, layers: dict[str, nn.Module]) -> None:
        if not self.row.conv1d and any(isinstance(layer, Conv1D) for layer in layers.values()):
            raise ModelError(
                f"PEFT's {self.row.name} takes linear layers only, and {type(model).__name__} is made of Conv1D",
                where="method",
                fix="--method lora",
            )


def _layers(model: PreTrainedModel, targets: str | list[str]) -> Iterator[tuple[str, nn.Module]]:
    """The layers that get an update, by name."""
    head = model.get_output_embeddings() or new_head(model)
    for name, module in model.named_modules():
        if isinstance(module, (nn.Linear, Conv1D)):
            everywhere = targets == "all-linear" and module is not head
            if everywhere or any(is_meant(word, name) for word in targets if isinstance(targets, list)):
                yield name, module


def _must_divide(setting: Setting, value: Any, layers: dict[str, nn.Module]) -> None:
    widths = {(name, width) for name, layer in layers.items() for width in _widths(layer, setting.divides)}
    wrong = sorted((name, width) for name, width in widths if width % value)
    if wrong:
        name, width = wrong[0]
        common = math.gcd(*(width for _, width in widths))
        fits = max(divisor for divisor in range(1, value + 1) if common % divisor == 0)
        raise UsageError(
            f"{value} does not divide {width}, a width of {name}",
            where=f"method.{setting.name}",
            value=value,
            fix=f"--method.{setting.name} {fits}",
        )


def _widths(layer: Any, sides: tuple[str, ...]) -> list[int]:
    wide_in, wide_out = layer.weight.shape if isinstance(layer, Conv1D) else reversed(layer.weight.shape)
    return [{"in": wide_in, "out": wide_out}[side] for side in sides]
