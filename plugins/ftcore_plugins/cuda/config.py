"""Settings of a GPU as a backend."""

from typing import Annotated, Literal

from pydantic import Field

from ftcore.settings import Settings


class CudaConfig(Settings):
    """Which GPU, and how it computes."""

    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """In what the matrices are multiplied; `auto` is bf16, or fp16 on GPUs older than Ampere."""

    device: Annotated[int, Field(ge=0)] = 0
    """Which GPU, counted as CUDA_VISIBLE_DEVICES leaves them."""
