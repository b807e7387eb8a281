"""Settings of an Apple GPU as a backend."""

from typing import Literal

from ftcore.settings import Settings


class MpsConfig(Settings):
    """How the GPU computes."""

    precision: Literal["auto", "fp32"] = "auto"
    """In what the matrices are multiplied: float32, the one precision in which torch trains reliably here."""
