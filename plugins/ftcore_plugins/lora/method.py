"""LoRA, on PEFT: which layers get an update, where it starts, how it is checkpointed, saved and folded back.

PEFT has the arithmetic. What is done here is what it leaves to its callers: adapters in float32 whatever the base, a
strict load, a start from the weights that can be switched off, and a merge that rounds nothing away.
"""

from __future__ import annotations

import copy
import math
import re
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import peft
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from ftcore.errors import UsageError, did_you_mean
from ftcore.parameters import check_same, copy_into
from ftcore_plugins.lora.config import LoraConfig
from ftcore_plugins.lora.starts import START, TRAINED, join, part, start_from_weights
from ftcore_plugins.lora.whole import hold_in_full_precision


class Lora:
    """
    >>> method = Lora(LoraConfig(rank=8))
    >>> model = method.attach(AutoModelForCausalLM.from_pretrained(folder))
    """

    def __init__(self, config: LoraConfig) -> None:
        self.config = config

    def load_options(self) -> dict[str, Any]:
        return {}

    def attach(self, model: PreTrainedModel) -> PeftModel:
        """Raises UsageError when the settings name layers that the model does not have."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="fan_in_fan_out is set to False")  # GPT-2; PEFT corrects it
            attached = peft.get_peft_model(model, self._peft_config(model), autocast_adapter_dtype=True)
        hold_in_full_precision(attached)
        if self.config.starts_from_weights:
            start_from_weights(attached, self.config.init)
        return attached

    def _peft_config(self, model: PreTrainedModel) -> peft.LoraConfig:
        config = self.config
        is_plain = config.starts_from_weights or config.init == "default"
        whole = [_existing(model, name, "method.modules_to_save") for name in config.modules_to_save]
        return peft.LoraConfig(
            task_type="SEQ_CLS" if "SequenceClassification" in type(model).__name__ else "CAUSAL_LM",
            r=config.rank,
            lora_alpha=config.alpha,
            lora_dropout=config.dropout,
            target_modules=self._targets(model),
            use_rslora=config.rslora,
            use_dora=config.dora,
            init_lora_weights=True if is_plain else config.init,
            modules_to_save=whole or None,
            # A head tied to its embedding stays so: training one of them trains both.
            ensure_weight_tying=bool(whole) and bool(getattr(model.config, "tie_word_embeddings", False)),
        )

    def _targets(self, model: PreTrainedModel) -> str | list[str]:
        """Names as PEFT takes them; regular expressions joined to one, since it takes one only."""
        if isinstance(self.config.targets, str):
            return self.config.targets
        words = [_existing(model, word, "method.targets") for word in self.config.targets]
        if all(re.fullmatch(r"[\w.]+", word) for word in words):
            return words
        return "|".join(rf"(?:.*\.)?(?:{word})" for word in words)

    def disabled(self, model: PeftModel) -> AbstractContextManager[Any]:
        return model.disable_adapter()

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
        adapters = _adapters(model)
        return _untied(join(adapters[TRAINED], adapters.get(START, {})))

    def load_state(self, model: PeftModel, state: Mapping[str, Tensor]) -> None:
        check_same(self.state(model), state)
        adapters = _adapters(model)
        trained, start = part(state, adapters.get(START, {}))
        copy_into(adapters[TRAINED], trained)
        copy_into(adapters.get(START, {}), start)

    def merge(self, model: PeftModel) -> PreTrainedModel:
        """Fold the adapter into the base model, as whoever loads the artifact would: in float32, and the result is too.

        In bfloat16 a weight keeps eight bits, and half of a small update would be rounded away.
        """
        saved, state = self._saved_config(model), self.state(model)
        base = self._in_full_precision(model.unload())
        saved.inference_mode = False
        plain = peft.get_peft_model(base, saved)
        copy_into(_adapters(plain)[TRAINED], state)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Input and output embeddings are no longer tied")
            return plain.merge_and_unload()

    def _in_full_precision(self, base: PreTrainedModel) -> PreTrainedModel:
        return base.float()

    def save(self, model: PeftModel, folder: Path) -> None:
        """Write what `PeftModel.from_pretrained` reads, for the original base model."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.contiguous() for name, tensor in self.state(model).items()}
        save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
        self._saved_config(model).save_pretrained(folder)

    def _saved_config(self, model: PeftModel) -> peft.LoraConfig:
        """The adapter's own configuration as a plain LoRA that starts from nothing."""
        config = copy.deepcopy(model.peft_config[TRAINED])
        config.inference_mode = True
        config.base_model_name_or_path = model.get_base_model().config.name_or_path or None
        # Sorted, since the order of a set changes from process to process, and the file should not.
        config.target_modules = _targeted(model)
        config.modules_to_save = sorted(config.modules_to_save) if config.modules_to_save else None
        if self.config.starts_from_weights:
            config.r *= 2
            config.lora_alpha *= math.sqrt(2) if config.use_rslora else 2  # the scale stays what it was
        return config


def _adapters(model: PeftModel) -> dict[str, dict[str, Tensor]]:
    """The tensors of each adapter by PEFT's names; they share memory with the model.

    Embeddings are left out unless they train: PEFT would otherwise ask the hub how large they were.
    """
    return {
        name: get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
        for name in model.peft_config
    }


def _targeted(model: PeftModel) -> list[str]:
    """The layers that have an adapter: by the last part of their names where that is enough, else by their paths."""
    paths = set(model.targeted_module_names)
    words = {path.rpartition(".")[2] for path in paths}
    named = {name for name, _ in model.get_base_model().named_modules() if name.rpartition(".")[2] in words}
    return sorted(words if named == paths else paths)


def _untied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A copy of each tensor that shares memory with an earlier one: safetensors writes no memory twice."""
    seen: set[int] = set()
    result = {}
    for name, tensor in tensors.items():
        result[name] = tensor.detach().clone() if tensor.data_ptr() in seen else tensor.detach()
        seen.add(tensor.data_ptr())
    return result


def _existing(model: nn.Module, word: str, where: str) -> str:
    names = [name for name, _ in model.named_modules()]
    if any(re.fullmatch(rf"(?:.*\.)?(?:{word})", name) for name in names):
        return word
    kinds = {name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    raise UsageError(
        f"the model has no layer {word!r}{did_you_mean(word, kinds)}",
        where=where,
        more=["linear layers: " + ", ".join(sorted(kinds))],
        fix=f"--{where} {sorted(kinds)[0]}" if kinds else None,
    )
