"""A tuning method whose adapter PEFT holds: attach, state, save, merge and switching off.

PEFT has the arithmetic. What is done here is what it leaves to its callers: adapters in float32 whatever the base, a
strict load, a saved configuration that is the same each time, and a merge that rounds nothing away. Nothing asks the
model hub.
"""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import peft
import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedModel

from ftcore.parameters import check_same, copy_into
from ftcore_plugins.peft_base.targets import in_order, shortened
from ftcore_plugins.peft_base.whole import hold_in_full_precision

TRAINED = "default"
"""PEFT's name for the adapter that trains."""


class PeftMethod:
    """Inherit, and say in `peft_config` what PEFT shall build; the rest follows.

    >>> class Vera(PeftMethod):
    ...     def peft_config(self, model):
    ...         return peft.VeraConfig(task_type=task_type(model), r=self.config.rank, target_modules="all-linear")

    Override `saved_config` where the artifact is configured otherwise than what trains.
    """

    def __init__(self, config: Any = None) -> None:
        self.config = config

    def peft_config(self, model: PreTrainedModel) -> peft.PeftConfig:
        """What PEFT builds on this model. Raises UsageError when the settings name what the model does not have."""
        raise NotImplementedError

    def load_options(self) -> dict[str, Any]:
        return {}

    def attach(self, model: PreTrainedModel) -> PeftModel:
        """Raises UsageError or ModelError when the method cannot stand on this model."""
        if getattr(model, "is_loaded_in_4bit", False):
            from ftcore_plugins.peft_base.packed import keep_trainable, quantised

            for _, layer in quantised(model):
                keep_trainable(layer)
        with _quiet():
            attached = peft.get_peft_model(model, self.peft_config(model))
        _in_float32(attached)
        return attached

    def disabled(self, model: PeftModel) -> AbstractContextManager[Any]:
        return model.disable_adapter()

    def state(self, model: PeftModel) -> dict[str, Tensor]:
        """The adapter as it is saved, by PEFT's names."""
        return untied(tensors(model))

    def load_state(self, model: PeftModel, state: Mapping[str, Tensor]) -> None:
        check_same(self.state(model), state)
        copy_into(tensors(model), state)

    def merge(self, model: PeftModel) -> PreTrainedModel:
        """Fold the adapter into the base model, as whoever loads the artifact would: in float32, and the result is too.

        In bfloat16 a weight keeps eight bits, and half of a small update would be rounded away.
        """
        saved, state = self.saved_config(model), self.state(model)
        base = _unloaded(model)
        saved.inference_mode = False
        with _quiet():
            plain = peft.get_peft_model(base, saved)
            copy_into(tensors(plain), state)
            return plain.merge_and_unload()

    def save(self, model: PeftModel, folder: Path) -> None:
        """Write what `PeftModel.from_pretrained` reads, for the original base model."""
        folder.mkdir(parents=True, exist_ok=True)
        named = {name: tensor.contiguous() for name, tensor in self.state(model).items()}
        save_file(named, folder / "adapter_model.safetensors", metadata={"format": "pt"})
        self.saved_config(model).save_pretrained(folder)

    def saved_config(self, model: PeftModel) -> peft.PeftConfig:
        """The adapter's own configuration, for inference on the original base model; always written the same way."""
        config = copy.deepcopy(model.peft_config[TRAINED])
        config.inference_mode = True
        config.base_model_name_or_path = model.get_base_model().config.name_or_path or None
        for field in dataclasses.fields(config):
            if isinstance(value := getattr(config, field.name), (set, frozenset)):
                setattr(config, field.name, in_order(value))
        if targeted := getattr(model.base_model, "targeted_module_names", None):
            config.target_modules = shortened(model.get_base_model(), targeted)
        return config


def task_type(model: PreTrainedModel) -> str:
    """PEFT's word for what the model does. A classifier's new head trains and is saved with the adapter."""
    return "SEQ_CLS" if "SequenceClassification" in type(model).__name__ else "CAUSAL_LM"


def tensors(model: PeftModel, adapter: str = TRAINED) -> dict[str, Tensor]:
    """The tensors of an adapter by PEFT's names; they share memory with the model.

    Embeddings are left out unless they train: PEFT would otherwise ask the hub how large they were.
    """
    return get_peft_model_state_dict(model, adapter_name=adapter, save_embedding_layers=False)


def untied(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A copy of each tensor that shares memory with an earlier one: safetensors writes no memory twice."""
    seen: set[int] = set()
    result = {}
    for name, tensor in named.items():
        result[name] = tensor.detach().clone() if tensor.data_ptr() in seen else tensor.detach()
        seen.add(tensor.data_ptr())
    return result


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside, PEFT does not warn of what it then does right, or of what is wanted."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to False")  # GPT-2; PEFT corrects it
        warnings.filterwarnings("ignore", message="Unsupported layer type")  # norms have no in and out features
        warnings.filterwarnings("ignore", message="Input and output embeddings are no longer tied")
        yield


def _unloaded(model: PeftModel) -> PreTrainedModel:
    """The base model in float32. PEFT would fold into four bits and round, or refuse to; here every layer first becomes
    what training saw of it."""
    base = model.get_base_model()
    if getattr(base, "is_loaded_in_4bit", False):
        from ftcore_plugins.peft_base.packed import unpack

        base.is_loaded_in_4bit = False
        base = model.unload()
        unpack(base)
        return base.float()
    return model.unload().float()


def _in_float32(model: PeftModel) -> None:
    """PEFT upcasts the adapters of most methods, but not of all, and not the modules that train whole."""
    hold_in_full_precision(model)
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.dtype in (torch.bfloat16, torch.float16):
            parameter.data = parameter.data.float()
