"""The processor as hardware backend: how much memory there is, and whether it multiplies in bfloat16.

It answers without torch, so that a plan on a processor is made before anything heavy loads.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from ftcore.types import Hardware, Precision
from ftcore_plugins.cpu.config import CpuConfig

# Threads sleep while they wait for each other; OpenMP reads this when torch is loaded. Where another program has one of
# the cores, threads that spin take its time away from the one that they wait for: a step of 3 s takes over 20.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

BF16_WORDS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""What /proc/cpuinfo calls bfloat16 instructions: AVX-512 and AMX on x86, the last one on Arm."""


class Cpu:
    def __init__(self, config: CpuConfig) -> None:
        self.config = config

    def probe(self) -> Hardware:
        words = {"fp32"}
        words |= {"bf16"} if has_bf16(processor_words()) else set()
        words |= {"nf4"} if importlib.util.find_spec("bitsandbytes") else set()
        name = f"{platform.machine()}, {psutil.cpu_count(logical=False) or psutil.cpu_count()} cores"
        return Hardware(available=True, devices=(name,), memory_bytes=memory_limit(), capabilities=frozenset(words))

    def precision(self, trains_base: bool) -> Precision:
        """In bfloat16, frozen weights are held so too (half the memory, and no casting in each product); weights that
        train stay in float32, because a small update to a bfloat16 weight is rounded away."""
        wanted = self.config.precision
        if wanted == "fp32" or (wanted == "auto" and not has_bf16(processor_words())):
            return Precision("float32")
        return Precision("float32", autocast="bfloat16") if trains_base else Precision("bfloat16")

    def place(self) -> Mapping[str, Any]:
        if self.config.threads:
            import torch

            torch.set_num_threads(self.config.threads)
        return {"use_cpu": True}

    def device(self) -> str:
        return "cpu"

    def memory(self) -> int:
        """Peak resident memory of the process in bytes."""
        if sys.platform == "win32":
            return int(psutil.Process().memory_info().peak_wset)
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB


def processor_words() -> frozenset[str]:
    """What the processor says that it can do; empty where there is no way to ask."""
    if sys.platform == "darwin":
        asked = subprocess.run(
            ["sysctl", "-n", "hw.optional.arm.FEAT_BF16"], capture_output=True, text=True, check=False
        )
        return frozenset({"bf16"} if asked.stdout.strip() == "1" else ())
    try:
        return frozenset(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return frozenset()


def has_bf16(words: frozenset[str]) -> bool:
    """Whether bfloat16 is worth it: without instructions for it, it is emulated and slower than float32."""
    return bool(words & BF16_WORDS)


def memory_limit() -> int:
    """Bytes of memory, or what a container allows of them."""
    total = psutil.virtual_memory().total
    try:
        return min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # no control groups, or `max`: no limit
        return total
