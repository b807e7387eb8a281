"""Prompt tuning and P-tuning on PEFT: vectors that stand where the embeddings of words would.

Lester et al. 2021 (https://arxiv.org/abs/2104.08691) train the vectors themselves; Liu et al. 2021
(https://arxiv.org/abs/2103.10385) train a small network that they come out of.
"""

from __future__ import annotations

from collections.abc import Mapping

import peft
import torch
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ftcore.errors import ModelError
from ftcore.parameters import check_same, copy_into
from ftcore_plugins.peft_base.method import TRAINED, PeftMethod, task_type
from ftcore_plugins.soft_prompts import inputs, words
from ftcore_plugins.soft_prompts.config import PromptConfig, PTuningConfig

SAVED = "prompt_embeddings"
"""PEFT's name for the vectors, in the artifact."""


class SoftPrompt(PeftMethod):
    """What prompt tuning, P-tuning and prefix tuning share: vectors in PEFT's prompt encoder."""

    def attach(self, model: PreTrainedModel) -> PeftModel:
        """Raises ModelError for a classifier, which would look for a row's last token in the wrong place."""
        if task_type(model) != "CAUSAL_LM":
            raise ModelError("a classifier cannot be tuned with virtual tokens", fix="--method lora")
        attached = super().attach(model)
        attached.word_embeddings = model.get_input_embeddings()  # PEFT guesses them by their size
        inputs.fit(attached)
        return attached

    def state(self, model: PeftModel) -> dict[str, Tensor]:
        """The vectors by PEFT's name and, where they come out of a network, that network, so that it can train on."""
        encoder = model.prompt_encoder[TRAINED]
        trained = {f"prompt_encoder.{name}": tensor.detach() for name, tensor in encoder.named_parameters()}
        if len(trained) == 1:
            return {SAVED: encoder.embedding.weight.detach()}
        return {SAVED: model.get_prompt_embedding_to_save(TRAINED), **trained}

    def load_state(self, model: PeftModel, state: Mapping[str, Tensor]) -> None:
        expected = self.state(model)
        check_same(expected, state)
        if len(expected) > 1:  # the vectors follow from the network
            expected, state = ({name: part[name] for name in part if name != SAVED} for part in (expected, state))
        copy_into(expected, state)


class PromptTuning(SoftPrompt):
    """
    >>> method = PromptTuning(PromptConfig(init="text", text="Answer in JSON."))
    >>> model = method.attach(AutoModelForCausalLM.from_pretrained(folder))
    >>> method.initialise(model, tokenizer)
    """

    config: PromptConfig

    def peft_config(self, model: PreTrainedModel) -> peft.PromptTuningConfig:  # noqa: ARG002
        return peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=self.config.tokens)

    @torch.no_grad()
    def initialise(self, model: PeftModel, tokenizer: PreTrainedTokenizerBase) -> None:
        """Begin as the settings say. Raises UsageError for a text without tokens."""
        prompt = model.prompt_encoder[TRAINED].embedding.weight
        embedding = model.get_base_model().get_input_embeddings()
        if self.config.init == "random":
            prompt.normal_(embedding.weight.float().mean(), embedding.weight.float().std())
            return
        if self.config.init == "text":
            ids = words.of_text(tokenizer, self.config.text, self.config.tokens)
        else:
            ids = words.common(tokenizer, self.config.tokens)
        prompt.copy_(embedding(ids.to(embedding.weight.device)))


class PTuning(SoftPrompt):
    """
    >>> model = PTuning(PTuningConfig(encoder="lstm")).attach(AutoModelForCausalLM.from_pretrained(folder))
    """

    config: PTuningConfig

    def peft_config(self, model: PreTrainedModel) -> peft.PromptEncoderConfig:  # noqa: ARG002
        return peft.PromptEncoderConfig(
            task_type="CAUSAL_LM",
            num_virtual_tokens=self.config.tokens,
            encoder_reparameterization_type=self.config.encoder.upper(),
            encoder_hidden_size=self.config.width,
        )
