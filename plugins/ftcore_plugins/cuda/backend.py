"""One GPU through CUDA or ROCm. Several GPUs in one process are not for this backend.

torch takes seconds to import, so a machine without a driver is recognised before.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftcore.types import Hardware, Precision
from ftcore_plugins.cuda.config import CudaConfig

VISIBLE, ORIGINAL = "CUDA_VISIBLE_DEVICES", "FTCORE_CUDA_VISIBLE_DEVICES"


class Cuda:
    def __init__(self, config: CudaConfig) -> None:
        self.config = config

    def probe(self) -> Hardware:
        if not has_driver():
            return Hardware(available=False, reason="no NVIDIA or AMD driver found")
        self._show_one_device()
        import torch

        if not torch.cuda.is_available():
            return Hardware(available=False, reason=self._why_not(torch))
        properties = torch.cuda.get_device_properties(0)
        words = {"fp32", "fp16"}
        words |= {"bf16"} if _has_bf16(torch) else set()
        words |= {"nf4"} if importlib.util.find_spec("bitsandbytes") else set()
        return Hardware(
            available=True,
            devices=(properties.name,),
            memory_bytes=properties.total_memory,
            capabilities=frozenset(words),
        )

    def _show_one_device(self) -> None:
        """Hide the other GPUs: transformers' Trainer would split each batch over all that it sees.

        This works until torch first asks the driver. The original list is kept, so that `device` always counts in it.
        """
        if "LOCAL_RANK" in os.environ:  # a launcher has given each process its own
            return
        original = os.environ.setdefault(ORIGINAL, os.environ.get(VISIBLE, ""))
        devices = [word.strip() for word in original.split(",") if word.strip()]
        index = self.config.device
        if not devices:
            os.environ[VISIBLE] = str(index)
        elif index < len(devices):
            os.environ[VISIBLE] = devices[index]

    def _why_not(self, torch: Any) -> str:
        if not (torch.version.cuda or torch.version.hip):
            return "this build of PyTorch has no GPU support; install one that has: https://pytorch.org/get-started"
        return f"there is a driver, but PyTorch finds no GPU number {self.config.device} that it can use"

    def precision(self, trains_base: bool) -> Precision:
        """As on a processor; in fp16 weights stay in float32, since its range is too small for them and their
        gradients."""
        import torch

        wanted = self.config.precision
        if wanted == "auto":
            wanted = "bf16" if _has_bf16(torch) else "fp16"
        if wanted == "fp32":
            return Precision("float32")
        if wanted == "fp16":
            return Precision("float32", autocast="float16")
        return Precision("float32", autocast="bfloat16") if trains_base else Precision("bfloat16")

    def place(self) -> Mapping[str, Any]:
        self._show_one_device()
        return {}

    def device(self) -> str:
        return f"cuda:{os.environ.get('LOCAL_RANK', 0)}"

    def memory(self) -> int:
        """Bytes that torch's allocator has reserved on the GPU, at the peak; the driver's own part is not in it."""
        import torch

        return int(torch.cuda.max_memory_reserved(self.device()))


def has_driver() -> bool:
    """Whether a GPU driver is installed, judged by what it leaves on the disk."""
    return (
        Path("/proc/driver/nvidia/version").exists()
        or Path("/dev/kfd").exists()
        or shutil.which("nvidia-smi") is not None
    )


def _has_bf16(torch: Any) -> bool:
    """Ampere (compute capability 8) and later multiply in bfloat16; before that torch emulates it."""
    return bool(torch.version.hip) or torch.cuda.get_device_capability(0) >= (8, 0)
