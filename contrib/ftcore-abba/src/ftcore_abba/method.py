"""ABBA as a tuning method: which layers get an update, how it is switched off, saved and folded back."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from ftcore.errors import ModelError, UsageError, did_you_mean
from ftcore.parameters import copy_into, freeze_all
from ftcore_abba import elsewhere
from ftcore_abba.config import AbbaConfig
from ftcore_abba.update import NAME, Update, hang, matrix, take_off


class Abba:
    """
    >>> method = Abba(AbbaConfig(rank=16))
    >>> model = method.attach(AutoModelForCausalLM.from_pretrained(folder))
    """

    def __init__(self, config: AbbaConfig) -> None:
        self.config = config

    def load_options(self) -> dict[str, Any]:
        return {}

    def attach(self, model: PreTrainedModel) -> PreTrainedModel:
        """The model itself, answering as before.

        Raises UsageError when the settings name layers that the model does not have or a rank that is too high,
        ModelError when a layer is held in too few bits to be decomposed.
        """
        freeze_all(model)
        for path, layer in self._chosen(model):
            self._must_fit(path, layer)
            hang(layer, self.config.rank, self.config.alpha)
        return model

    def _chosen(self, model: PreTrainedModel) -> list[tuple[str, nn.Module]]:
        head = model.get_output_embeddings()
        linear = {
            path: layer
            for path, layer in model.named_modules()
            if isinstance(layer, (nn.Linear, Conv1D)) and layer is not head
        }
        if self.config.targets == "all-linear":
            return list(linear.items())
        for word in self.config.targets:
            if not any(_is_meant(word, path) for path in linear):
                kinds = sorted({path.rpartition(".")[2] for path in linear})
                raise UsageError(
                    f"the model has no linear layer {word!r}{did_you_mean(word, kinds)}",
                    where="method.targets",
                    more=[f"linear layers: {', '.join(kinds)}"],
                    fix=f"--method.targets {kinds[0]}" if kinds else None,
                )
        words = self.config.targets
        return [(path, layer) for path, layer in linear.items() if any(_is_meant(word, path) for word in words)]

    def _must_fit(self, path: str, layer: Any) -> None:
        if not layer.weight.is_floating_point():
            raise ModelError(f"{path} is quantised, and ABBA starts from the weights themselves")
        if self.config.rank > min(matrix(layer).shape):
            narrow = min(matrix(layer).shape)
            raise UsageError(
                f"{path} has no {self.config.rank} directions to start from",
                where="method.rank",
                value=self.config.rank,
                fix=f"--method.rank {min(8, narrow)}",
            )

    @contextmanager
    def disabled(self, model: nn.Module) -> Iterator[None]:
        before = [(update, update.enabled) for _, update in _updates(model)]
        for update, _ in before:
            update.enabled = False
        try:
            yield
        finally:
            for update, was_enabled in before:
                update.enabled = was_enabled

    def state(self, model: nn.Module) -> dict[str, Tensor]:
        """The updates' tensors: `model.layers.0.mlp.up_proj.abba.B1` …"""
        return {f"{path}.{name}": tensor for path, u in _updates(model) for name, tensor in u.state_dict().items()}

    def load_state(self, model: nn.Module, state: Mapping[str, Tensor]) -> None:
        copy_into(self.state(model), state)

    def merge(self, model: PreTrainedModel) -> PreTrainedModel:
        """W + ΔW, in float32: in bfloat16 a weight keeps eight bits, and half of a small update would be lost."""
        model.float()
        for path, _ in _updates(model):
            layer = model.get_submodule(path.removesuffix(f".{NAME}"))
            matrix(layer).add_(take_off(layer).delta().detach())
        return model

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """Write the tensors and a description, which `elsewhere.load_abba` folds into the base model."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.contiguous() for name, tensor in self.state(model).items()}
        save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
        description = {
            "base_model_name_or_path": model.config.name_or_path or None,
            **self.config.model_dump(mode="json"),
            "scale": self.config.alpha**2 / self.config.rank,
        }
        (folder / "abba_config.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")

    def usage(self, base: str) -> str:
        """Python for the model card: how to use the artifact in the folder `FOLDER` without ftcore."""
        return (
            f"{inspect.getsource(elsewhere)}\n\n"
            "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
            f'model = load_abba(AutoModelForCausalLM.from_pretrained("{base}"), "FOLDER")\n'
            'tokenizer = AutoTokenizer.from_pretrained("FOLDER")\n'
        )


def _updates(model: nn.Module) -> list[tuple[str, Update]]:
    return [(path, module) for path, module in model.named_modules() if isinstance(module, Update)]


def _is_meant(word: str, path: str) -> bool:
    """Whether the word, which may be a regular expression, is the whole path or its end."""
    return re.fullmatch(rf"(?:.*\.)?(?:{word})", path) is not None
