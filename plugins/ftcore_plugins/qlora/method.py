"""QLoRA: LoRA over base weights held in four bits by bitsandbytes. Everything but the weights is LoRA's.

PEFT's `prepare_model_for_kbit_training` is not used. It makes norms, embeddings and head float32, which costs memory
(the embedding is a fifth of a small model) and forces each activation through another dtype; it freezes what PEFT
freezes anyway; and it turns gradient checkpointing on, which is the user's choice.
"""

from __future__ import annotations

from typing import Any

import torch
from peft import PeftModel
from transformers import BitsAndBytesConfig, PreTrainedModel

from ftcore.errors import ModelError
from ftcore_plugins.lora.method import Lora
from ftcore_plugins.peft_base.packed import quantised
from ftcore_plugins.qlora.config import QloraConfig
from ftcore_plugins.qlora.loftq import start_from_the_error


class Qlora(Lora):
    config: QloraConfig

    def load_options(self) -> dict[str, Any]:
        """Quantise while loading. transformers leaves the head and what is tied to it as they are."""
        double = torch.cuda.is_available() if self.config.double_quant is None else self.config.double_quant
        quantization = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type=self.config.quant_type, bnb_4bit_use_double_quant=double
        )
        return {"quantization_config": quantization}

    def attach(self, model: PreTrainedModel) -> PeftModel:
        """Raises ModelError when the model was not loaded with `load_options`, or has already been asked."""
        layers = list(quantised(model))
        if not layers:
            raise ModelError("the model is not held in four bits", fix="load it with the method's load_options")
        dtype = self._compute_dtype(model)
        for _, layer in layers:
            layer.compute_dtype, layer.compute_type_is_set = dtype, True
        attached = super().attach(model)
        if self.config.loftq:
            start_from_the_error(attached)
        return attached

    def _compute_dtype(self, model: PreTrainedModel) -> torch.dtype:
        if self.config.compute_dtype != "auto":
            return getattr(torch, self.config.compute_dtype)
        return model.get_input_embeddings().weight.dtype
