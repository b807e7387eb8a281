"""(IA)³ on PEFT: which layers get factors, and on which side.

Liu et al. 2022 (https://arxiv.org/abs/2205.05638, section 3.3) multiply keys, values and the MLP's inner activations by
trained vectors l. What goes into an attention's layers is shared by all of them, so there the output is scaled; the
inner activations of an MLP are what its last layer reads, so there the input is.
"""

from __future__ import annotations

import re

import peft
from peft import PeftModel
from peft.utils import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from ftcore.errors import UsageError
from ftcore.parameters import new_head
from ftcore_plugins.ia3.config import Ia3Config
from ftcore_plugins.peft_base.method import PeftMethod, task_type
from ftcore_plugins.peft_base.targets import existing, is_meant

KEYS_AND_VALUES = r"[kv]|[kv]_?(proj|lin)|key|value|.*(qkv|query_key_value|kv_).*|c_attn"
"""Names of the layers that make keys or values, alone or together with the queries."""


class Ia3(PeftMethod):
    """
    >>> model = Ia3(Ia3Config()).attach(AutoModelForCausalLM.from_pretrained(folder))
    """

    config: Ia3Config

    def peft_config(self, model: PreTrainedModel) -> peft.IA3Config:
        paths = self._paths(model)
        return peft.IA3Config(
            task_type=task_type(model),
            target_modules=paths,
            feedforward_modules=[path for path in paths if not _is_in_attention(path)],
        )

    def _paths(self, model: PreTrainedModel) -> list[str]:
        """The layers that get factors. Raises UsageError when there are none, or none of a wanted name."""
        linear = _linear_layers(model)
        if self.config.targets == "all-linear":
            return list(linear)
        if self.config.targets != "auto":
            words = [existing(model, word, "method.targets") for word in self.config.targets]
        elif known := TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING.get(model.config.model_type):
            words = known
        else:
            return _by_structure(model, linear)
        return [path for path in linear if any(is_meant(word, path) for word in words)]

    def saved_config(self, model: PeftModel) -> peft.IA3Config:
        config = super().saved_config(model)
        inner = model.peft_config["default"].feedforward_modules
        # PEFT wants the same words for both.
        config.feedforward_modules = [
            word for word in config.target_modules if any(is_meant(re.escape(word), path) for path in inner)
        ]
        return config


def _linear_layers(model: PreTrainedModel) -> dict[str, nn.Module]:
    """Every linear layer but the head. A layer in four bits is one; GPT-2 has another class for them."""
    head = model.get_output_embeddings() or new_head(model)
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, (nn.Linear, Conv1D)) and module is not head
    }


def _by_structure(model: PreTrainedModel, linear: dict[str, nn.Module]) -> list[str]:
    """For architectures that PEFT has no list for: keys and values by their names, and of the other layers those that
    lead back to the width of the model, which end the MLPs. Raises UsageError when either kind is missing."""
    width = model.config.get_text_config().hidden_size
    names = {path: path.rpartition(".")[2] for path in linear}
    outer = [path for path, name in names.items() if _is_in_attention(path) and re.fullmatch(KEYS_AND_VALUES, name)]
    inner = [
        path for path in linear if not _is_in_attention(path) and getattr(linear[path], "out_features", 0) == width
    ]
    if outer and inner:
        return [path for path in linear if path in {*outer, *inner}]
    raise UsageError(
        f"it is not known which layers of {type(model).__name__} make keys, values and inner activations",
        where="method.targets",
        more=["linear layers: " + ", ".join(sorted(set(names.values())))],
        fix="--method.targets all-linear",
    )


def _is_in_attention(path: str) -> bool:
    return any("attn" in part or "attention" in part for part in path.lower().split("."))
