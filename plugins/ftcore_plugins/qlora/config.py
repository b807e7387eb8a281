"""Settings of QLoRA: those of LoRA, and how the base weights are held."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from ftcore_plugins.lora.config import LoraConfig


class QloraConfig(LoraConfig):
    """LoRA over linear layers in four bits; embeddings, norms and the head keep their precision."""

    quant_type: Literal["nf4", "fp4"] = "nf4"
    """The sixteen values that a weight can take: `nf4` spaces them for normally distributed weights, `fp4` is a
    floating-point number of four bits."""

    double_quant: bool | None = None
    """Quantise the scales too: saves 0.4 bits a weight. Left out: only on an accelerator, because on a processor it
    makes unpacking ten times slower, as slow as the multiplication itself."""

    compute_dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """In what the unpacked weights are multiplied; `auto` is the precision of the rest of the model."""

    loftq: bool = False
    """Start A and B from what four bits took off the weights (LoftQ, https://arxiv.org/abs/2310.08659), so that the
    model starts nearer to what it was. Reads the weights a second time."""

    @model_validator(mode="after")
    def _starts_once(self) -> QloraConfig:
        if self.loftq and self.init != "default":
            raise ValueError(f"loftq is a start of its own; leave out init {self.init}")
        if self.loftq and self.dora:
            # DoRA takes the lengths of the weights when it is attached, before A and B are set.
            raise ValueError("dora cannot start from loftq; leave out one of them")
        return self
