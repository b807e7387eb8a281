"""Settings of the processor as a backend."""

from typing import Annotated, Literal

from pydantic import Field

from ftcore.settings import Settings


class CpuConfig(Settings):
    """How the processor computes."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """In what the matrices are multiplied; `auto` takes bf16 where the processor has instructions for it."""

    threads: Annotated[int | None, Field(gt=0)] = None
    """Threads to compute with. Left out: torch's choice, one a core."""
