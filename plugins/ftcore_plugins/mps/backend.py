"""The GPU of an Apple computer, through Metal Performance Shaders. Four-bit weights are not offered on it.

The platform is looked at before torch, so that every other machine says no at once.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from typing import Any

from ftcore.types import Hardware, Precision
from ftcore_plugins.mps.config import MpsConfig


class Mps:
    def __init__(self, config: MpsConfig) -> None:
        self.config = config

    def probe(self) -> Hardware:
        if (sys.platform, platform.machine()) != ("darwin", "arm64"):
            return Hardware(available=False, reason="not an Apple computer with its own processor")
        import psutil
        import torch

        if not torch.backends.mps.is_available():
            return Hardware(available=False, reason="this PyTorch or this macOS has no Metal support")
        return Hardware(
            available=True,
            devices=("Apple GPU",),
            memory_bytes=psutil.virtual_memory().total,  # one memory for processor and GPU
            capabilities=frozenset({"fp32"}),
        )

    def precision(self, trains_base: bool) -> Precision:  # noqa: ARG002 - the same for all methods
        return Precision("float32")

    def place(self) -> Mapping[str, Any]:
        return {}

    def device(self) -> str:
        return "mps"

    def memory(self) -> int:
        """Bytes that Metal holds for this process now; torch keeps no peak for it."""
        import torch

        return int(torch.mps.driver_allocated_memory())
