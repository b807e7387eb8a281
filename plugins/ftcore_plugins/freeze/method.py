"""Freezing: the first layers stay as they are and the last ones learn, the oldest way to fine-tune.

Blocks, head and norms are found by how the model is built, not by an architecture's names.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from torch import nn
from transformers import PreTrainedModel

from ftcore.errors import UsageError, closest, did_you_mean
from ftcore.parameters import decoder_blocks, freeze_all, new_head
from ftcore_plugins.freeze.config import FreezeConfig
from ftcore_plugins.full.method import Full


class Freeze(Full):
    """Trains less than `Full`, and is saved and put back as that is."""

    config: FreezeConfig

    def attach(self, model: PreTrainedModel) -> nn.Module:
        """Raises UsageError when a pattern, or the settings as a whole, name no parameter of the model."""
        freeze_all(model)
        for module in self._modules(model):
            module.requires_grad_(True)
        for pattern in self.config.patterns:
            for parameter in _named(model, pattern):
                parameter.requires_grad_(True)
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise UsageError("with these settings nothing trains", where="method", fix="--method.blocks 4")
        return model

    def _modules(self, model: PreTrainedModel) -> Iterator[nn.Module]:
        if (head := new_head(model)) is not None:
            yield head
        if self.config.blocks:
            yield from decoder_blocks(model)[-self.config.blocks :]
        if self.config.head:
            head = model.get_output_embeddings() or new_head(model)
            if head is None:
                raise UsageError(
                    f"{type(model).__name__} has no output head", where="method.head", fix="--no-method.head"
                )
            yield head
        if self.config.norms:
            # RMSNorm, LayerNorm and their kin share nothing but the word in their class's name.
            yield from (module for module in model.modules() if "norm" in type(module).__name__.lower())


def _named(model: nn.Module, pattern: str) -> list[nn.Parameter]:
    """The parameters that a pattern names, by each of their names where they are tied."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    found = [parameter for name, parameter in parameters.items() if fnmatchcase(name, pattern)]
    if not found:
        ends = list(dict.fromkeys(".".join(name.split(".")[-2:]) for name in parameters))
        modules = {end.partition(".")[0]: end for end in ends}
        meant = [name for word in pattern.split(".") if (name := closest(word, modules))]
        near = closest(pattern, parameters) or f"*{modules[meant[-1]] if meant else ends[-1]}"
        raise UsageError(
            f"no parameter is called {pattern!r}{did_you_mean(pattern, parameters)}",
            where="method.patterns",
            more=["the names end in " + ", ".join(ends)],
            fix=f"--method.patterns '{near}'",
        )
    return found
