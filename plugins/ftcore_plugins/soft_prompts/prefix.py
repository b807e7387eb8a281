"""Prefix tuning on PEFT: keys and values that every block finds before those of the text.

Li and Liang 2021 (https://arxiv.org/abs/2101.00190). PEFT hands the prefix over as a key-value cache. Recomputing a
block for gradient checkpointing would write into that cache a second time, so transformers takes it away from the
blocks, and the prefix is silently without effect. Here they get a cache that keeps nothing, and may be asked twice.
"""

from __future__ import annotations

import inspect
from typing import Any

import peft
import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_layers import GradientCheckpointingLayer

from ftcore.errors import ModelError
from ftcore_plugins.peft_base.method import TRAINED
from ftcore_plugins.soft_prompts import words
from ftcore_plugins.soft_prompts.config import PrefixConfig
from ftcore_plugins.soft_prompts.method import SoftPrompt

PERMISSION = "_can_checkpoint_with_cache"
"""By which a block tells transformers (from 5.23) that it may be recomputed with its cache."""


class PrefixTuning(SoftPrompt):
    """
    >>> method = PrefixTuning(PrefixConfig(tokens=30))
    >>> model = method.attach(AutoModelForCausalLM.from_pretrained(folder))
    >>> method.initialise(model, tokenizer)
    """

    config: PrefixConfig

    def peft_config(self, model: PreTrainedModel) -> peft.PrefixTuningConfig:  # noqa: ARG002
        return peft.PrefixTuningConfig(
            task_type="CAUSAL_LM",
            num_virtual_tokens=self.config.tokens,
            prefix_projection=self.config.projection is not None,
            encoder_hidden_size=self.config.projection,
            init_weights="zero" if self.config.start == "zero" else None,
        )

    def attach(self, model: PreTrainedModel) -> PeftModel:
        """Raises ModelError for a classifier, and where the blocks do not all keep keys and values of one shape."""
        attached = super().attach(model)
        _must_be_of_one_shape(attached)
        if self.config.projection is None:
            attached.prompt_encoder[TRAINED].register_forward_hook(_views)
        _Keeper(model)
        return attached

    @torch.no_grad()
    def initialise(self, model: PeftModel, tokenizer: PreTrainedTokenizerBase) -> None:
        """Begin with the keys and values of words, if the settings say so.

        Real activations start better than random ones (section 7.4). Raises UsageError for a text without tokens.
        """
        if self.config.start not in ("vocabulary", "text"):
            return
        if self.config.start == "text":
            ids = words.of_text(tokenizer, self.config.text, self.config.tokens)
        else:
            ids = words.common(tokenizer, self.config.tokens)
        model.prompt_encoder[TRAINED].embedding.weight.copy_(_flat(_kept(model.get_base_model(), ids)))


def _kept(base: PreTrainedModel, ids: Tensor) -> Any:
    """What the blocks keep of these tokens (count,), as a cache of one row, or None where they keep nothing."""
    row = ids[None].to(base.device)
    with torch.no_grad():
        return getattr(
            base(input_ids=row, attention_mask=torch.ones_like(row), use_cache=True), "past_key_values", None
        )


def _flat(cache: DynamicCache) -> Tensor:
    """Keys and values of one row as PEFT holds them: (tokens, blocks · 2 · heads · head width)."""
    both = [part[0] for layer in cache.layers for part in (layer.keys, layer.values)]  # each (heads, tokens, width)
    return torch.stack(both).permute(2, 0, 1, 3).flatten(start_dim=1)


def _must_be_of_one_shape(model: PeftModel) -> None:
    """Raise ModelError unless every block keeps keys and values of the shape that PEFT concludes from the settings."""
    base, config = model.get_base_model(), model.peft_config[TRAINED]
    layers = getattr(_kept(base, torch.zeros(1, dtype=torch.long)), "layers", [])
    kept = [getattr(layer, part, None) for layer in layers for part in ("keys", "values")]
    found = {(tensor.shape[1], tensor.shape[3]) if isinstance(tensor, Tensor) else None for tensor in kept}
    heads = config.num_attention_heads
    if found != {(heads, config.token_dim // heads)} or len(layers) != config.num_layers:
        raise ModelError(
            f"not every block of {type(base).__name__} keeps keys and values of one shape, as a prefix needs",
            fix="--method prompt-tuning",
        )


def _views(encoder: nn.Module, args: tuple[Tensor], _output: Tensor) -> Tensor:
    """The prefix as views of the weight. What a lookup remembers for its gradient is gone after the first block, when
    every block is recomputed by itself (`use_reentrant`)."""
    return encoder.embedding.weight.expand(len(args[0]), -1, -1)


class _Keeper:
    """Hooks that bring the prefix to every block although blocks are recomputed. It is out of the way otherwise."""

    def __init__(self, base: PreTrainedModel) -> None:
        self.cache: DynamicCache | None = None
        self.blocks = [module for module in base.modules() if isinstance(module, GradientCheckpointingLayer)]
        base.register_forward_pre_hook(self.take, with_kwargs=True)
        base.register_forward_hook(self.drop, always_call=True)
        for block in self.blocks:
            setattr(block, PERMISSION, True)
            block.register_forward_pre_hook(self.give, with_kwargs=True)

    def take(self, _base: PreTrainedModel, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Put a steady cache in place of the prefix. Raises ModelError where transformers would take it away."""
        prefix = kwargs.get("past_key_values")
        if prefix is None or not any(block.training and block.gradient_checkpointing for block in self.blocks):
            return None
        if not hasattr(GradientCheckpointingLayer, PERMISSION):
            raise ModelError(
                "this version of transformers takes the prefix away under gradient checkpointing",
                where="train.gradient_checkpointing",
                fix="--no-train.gradient_checkpointing, or pip install 'transformers>=5.23'",
            )
        # Without gradients nothing is recomputed, and whoever writes text needs what the cache keeps.
        self.cache = _SteadyCache(prefix) if torch.is_grad_enabled() else prefix
        return args, {**kwargs, "past_key_values": self.cache}

    def give(self, block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Some models (GPT-2) take it away themselves, before their blocks are called."""
        if self.cache is None:
            return None
        names = list(inspect.signature(block.forward).parameters)
        name = "layer_past" if "layer_past" in names else "past_key_values"
        place = names.index(name)
        if place < len(args):
            return (*args[:place], self.cache, *args[place + 1 :]), kwargs
        return args, {**kwargs, name: self.cache}

    def drop(self, *_: Any) -> None:
        self.cache = None


class _SteadyCache(DynamicCache):
    """Gives each block the prefix before its own keys and values, as often as it is asked, and keeps nothing."""

    def __init__(self, prefix: DynamicCache) -> None:
        super().__init__()
        vars(self).update(vars(prefix))

    def update(self, keys: Tensor, values: Tensor, layer_idx: int, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        layer = self.layers[layer_idx]
        before = dict(vars(layer))
        both = layer.update(keys, values, *args, **kwargs)
        vars(layer).update(before)
        return both
