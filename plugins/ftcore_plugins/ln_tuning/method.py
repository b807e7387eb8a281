"""LayerNorm tuning on PEFT: Zhao et al. 2023 (https://arxiv.org/abs/2312.11420) train the norms alone.

PEFT copies each norm and trains the copy, so the original can be switched back to; merged, the copy takes its place.
"""

from __future__ import annotations

import peft
from torch import nn
from transformers import PreTrainedModel

from ftcore.errors import UsageError, did_you_mean
from ftcore_plugins.ln_tuning.config import LnTuningConfig
from ftcore_plugins.peft_base.method import PeftMethod, task_type
from ftcore_plugins.peft_base.targets import is_meant


class LnTuning(PeftMethod):
    """
    >>> model = LnTuning(LnTuningConfig()).attach(AutoModelForCausalLM.from_pretrained(folder))
    """

    config: LnTuningConfig

    def peft_config(self, model: PreTrainedModel) -> peft.LNTuningConfig:
        return peft.LNTuningConfig(task_type=task_type(model), target_modules=self._paths(model))

    def _paths(self, model: PreTrainedModel) -> list[str]:
        """The norms that train. Raises UsageError when the settings name one that is not there."""
        norms = _norms(model)
        if self.config.targets == "auto":
            return norms
        for word in self.config.targets:
            if not any(is_meant(word, path) for path in norms):
                kinds = sorted({path.rpartition(".")[2] for path in norms})
                raise UsageError(
                    f"the model has no norm {word!r}{did_you_mean(word, kinds)}",
                    where="method.targets",
                    more=["norms: " + ", ".join(kinds)],
                    fix=f"--method.targets {kinds[0]}" if kinds else None,
                )
        return [path for path in norms if any(is_meant(word, path) for word in self.config.targets)]


def _norms(model: nn.Module) -> list[str]:
    """RMSNorm, LayerNorm and their kin share nothing but the word in their class's name and that they have a weight."""
    return [
        path
        for path, module in model.named_modules()
        if "norm" in type(module).__name__.lower() and any(True for _ in module.parameters(recurse=False))
    ]
