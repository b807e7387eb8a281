"""AdaLoRA (https://arxiv.org/abs/2303.10512), whose ranks change while it trains.

PEFT scores every number of P, Λ and Q by sensitivity and its uncertainty, both averaged over the steps, and zeroes the
lowest-scored part of Λ, on a cubic schedule from the initial rank to the target. What is done here: the schedule comes
from the steps of the run, the averages survive a resume, and the penalty acts whatever the objective is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import peft
import torch
from peft import PeftModel
from torch import Tensor

from ftcore.errors import UsageError
from ftcore_plugins.lora_family import too_short
from ftcore_plugins.lora_family.method import FamilyMethod
from ftcore_plugins.peft_base.method import TRAINED

SENSITIVITY, UNCERTAINTY, KEPT = "sensitivity.", "uncertainty.", "kept."


class AdaLora(FamilyMethod):
    """What is taken away stays in the artifact as zeros of Λ, so that every checkpoint has the same shapes."""

    def begin(self, model: PeftModel, steps: int) -> None:
        """Raises UsageError when there are too few steps to score anything before the ranks are final."""
        config = model.peft_config[TRAINED]
        config.tinit, config.tfinal = int(steps * self.config.begin), int(steps * self.config.settle)
        config.total_step = steps
        if error := too_short(steps, self.config.settle):
            raise UsageError(error, where="train.steps", fix="--train.steps 20")

    def before_step(self, model: PeftModel, step: int) -> None:  # noqa: ARG002
        """Add the gradient of the penalty, w/n · Σ ‖PᵀP − I‖ + ‖QQᵀ − I‖ over the n matrices.

        PEFT adds it to the loss that the model computes from labels, which trainers of TRL do not use.
        """
        parameters = [p for name, p in model.named_parameters() if ".lora_A." in name or ".lora_B." in name]
        with torch.enable_grad():
            penalty = sum(map(_distance_from_orthogonal, parameters)) / len(parameters)
            gradients = torch.autograd.grad(self.config.orthogonal * penalty, parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient

    def after_step(self, model: PeftModel, step: int) -> None:
        for parameter in model.parameters():
            if parameter.grad is not None:  # fp16 leaves infinities in a step that it skips; averages would keep them
                parameter.grad.nan_to_num_(0.0, 0.0, 0.0)
        model.base_model.update_and_allocate(step)

    def progress(self, model: PeftModel) -> dict[str, Tensor]:
        allocator, pattern = model.base_model.rankallocator, model.peft_config[TRAINED].rank_pattern or {}
        return {
            **{SENSITIVITY + name: tensor for name, tensor in allocator.exp_avg_ipt.items()},
            **{UNCERTAINTY + name: tensor for name, tensor in allocator.exp_avg_unc.items()},
            **{KEPT + name: torch.tensor(kept) for name, kept in pattern.items()},
        }

    def load_progress(self, model: PeftModel, progress: Mapping[str, Tensor]) -> None:
        allocator = model.base_model.rankallocator
        places = dict(model.base_model.model.named_parameters())
        allocator.exp_avg_ipt = _part(progress, SENSITIVITY, places)
        allocator.exp_avg_unc = _part(progress, UNCERTAINTY, places)
        # PEFT begins new averages for a name that is not here; the value itself is written before it is read.
        allocator.ipt = {name: torch.zeros_like(tensor) for name, tensor in allocator.exp_avg_ipt.items()}
        kept = {name: tensor.tolist() for name, tensor in _part(progress, KEPT, places).items()}
        model.peft_config[TRAINED].rank_pattern = kept or None

    def state(self, model: PeftModel) -> dict[str, Tensor]:
        with _WithoutPattern(model):
            return super().state(model)

    def load_state(self, model: PeftModel, state: Mapping[str, Tensor]) -> None:
        with _WithoutPattern(model):
            super().load_state(model, state)

    def saved_config(self, model: PeftModel) -> peft.AdaLoraConfig:
        config = super().saved_config(model)
        config.rank_pattern = None
        config.orth_reg_weight = self.config.orthogonal
        return config


class _WithoutPattern:
    """Inside, PEFT gives the adapter's matrices as they are, instead of cutting out of them what was taken away."""

    def __init__(self, model: PeftModel) -> None:
        self._config: Any = model.peft_config[TRAINED]

    def __enter__(self) -> None:
        self._pattern, self._config.rank_pattern = self._config.rank_pattern, None

    def __exit__(self, *_: object) -> None:
        self._config.rank_pattern = self._pattern


def _distance_from_orthogonal(parameter: Tensor) -> Tensor:
    """‖M·Mᵀ − I‖ (Frobenius) for a matrix that is wider than high, ‖Mᵀ·M − I‖ for one that is higher than wide."""
    wide = parameter if parameter.shape[0] <= parameter.shape[1] else parameter.T
    return torch.linalg.matrix_norm(wide @ wide.T - torch.eye(len(wide), device=wide.device, dtype=wide.dtype))


def _part(progress: Mapping[str, Tensor], prefix: str, places: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor.to(places[name.removeprefix(prefix)].device)
        for name, tensor in progress.items()
        if name.startswith(prefix)
    }
