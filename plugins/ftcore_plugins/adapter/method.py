"""Bottleneck adapters: attached by hooks, saved by names, switched off by a flag.

They cannot be folded into the base weights: with a nonlinearity between the two projections of A, no matrix W' has
W'·x = W·x + A(x).
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from ftcore.parameters import copy_into, freeze_all
from ftcore_plugins.adapter import elsewhere
from ftcore_plugins.adapter.bottleneck import NAME, Bottleneck, hang
from ftcore_plugins.adapter.config import AdapterConfig
from ftcore_plugins.adapter.places import attention_of, chosen_blocks, mlp_of

CONFIG = "bottleneck_config.json"
"""Not `adapter_config.json`, by which PEFT and transformers recognise an adapter of PEFT's."""


class Adapter:
    """
    >>> method = Adapter(AdapterConfig(variant="houlsby", reduction_factor=8))
    >>> model = method.attach(AutoModelForCausalLM.from_pretrained(folder))
    """

    def __init__(self, config: AdapterConfig) -> None:
        self.config = config

    def load_options(self) -> dict[str, Any]:
        return {}

    def attach(self, model: PreTrainedModel) -> PreTrainedModel:
        """The model itself, with adapters in its blocks, answering as before. A classifier's new head trains too.

        Raises UsageError when `layers` names blocks that the model does not have, ModelError when it has no blocks or
        one of them no attention or MLP of its own.
        """
        freeze_all(model)
        modules = [module for number, block in self._blocks(model) for module in self._modules(block, number)]
        for module in modules:
            hang(Bottleneck(self.config, model.config.get_text_config().hidden_size), module)
        for _, head in _new_heads(model):
            head.float().requires_grad_(True)
            head.register_forward_pre_hook(_in_float32)
        return model

    def _blocks(self, model: PreTrainedModel) -> Iterator[tuple[int, nn.Module]]:
        return chosen_blocks(model, self.config.layers)

    def _modules(self, block: nn.Module, number: int) -> Iterator[nn.Module]:
        """The modules of a block that get an adapter, in the order of the computation."""
        if self.config.variant == "houlsby":
            yield attention_of(block, number)
        yield mlp_of(block, number)

    @contextmanager
    def disabled(self, model: nn.Module) -> Iterator[None]:
        before = [(adapter, adapter.enabled) for _, adapter in _adapters(model)]
        for adapter, _ in before:
            adapter.enabled = False
        try:
            yield
        finally:
            for adapter, was_enabled in before:
                adapter.enabled = was_enabled

    def state(self, model: nn.Module) -> dict[str, Tensor]:
        """The adapters' tensors, a fixed scale among them: `model.layers.0.mlp.adapter.down.weight` …"""
        parts = [*_adapters(model), *_new_heads(model)]
        return {f"{path}.{name}": tensor for path, part in parts for name, tensor in part.state_dict().items()}

    def load_state(self, model: nn.Module, state: Mapping[str, Tensor]) -> None:
        copy_into(self.state(model), state)

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """Write the tensors and a description, from which `elsewhere.load_adapter` builds the adapter."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.contiguous() for name, tensor in self.state(model).items()}
        save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
        description = {
            "base_model_name_or_path": model.config.name_or_path or None,
            **self.config.model_dump(mode="json"),
            "scale": self.config.chosen_scale,
            "places": [path.removesuffix(f".{NAME}") for path, _ in _adapters(model)],
        }
        (folder / CONFIG).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")

    def usage(self, base: str) -> str:
        """Python for the model card: how to load the artifact in the folder `FOLDER` without ftcore."""
        return (
            f"{inspect.getsource(elsewhere)}\n\n"
            "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
            f'model = load_adapter(AutoModelForCausalLM.from_pretrained("{base}"), "FOLDER")\n'
            'tokenizer = AutoTokenizer.from_pretrained("FOLDER")\n'
        )


def _adapters(model: nn.Module) -> list[tuple[str, Bottleneck]]:
    return [(path, module) for path, module in model.named_modules() if isinstance(module, Bottleneck)]


def _new_heads(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """What a classifier has beside the pre-trained model: it starts at random, so it must train and be saved."""
    if "SequenceClassification" not in type(model).__name__:
        return []
    return [(name, child) for name, child in model.named_children() if child is not model.base_model]


def _in_float32(head: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:  # noqa: ARG001
    return tuple(value.float() for value in inputs)
