"""Ray Train starts the workers of a run, connects them through torch.distributed, and notices when one is lost.

What they compute is ftcore's affair: nothing here knows models or rows. Ray's own checkpoints and reports are not used,
since a run folder has both.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import psutil

from ftcore.types import Hardware, Precision
from ftcore_ray.cluster import Training
from ftcore_ray.config import RayConfig

PAUSE = 0.2
"""Seconds between two looks at the workers."""


class RayTrain:
    """
    >>> RayTrain(RayConfig(workers=4, use_gpu=True, address="auto")).launch(work, follow)
    """

    def __init__(self, config: RayConfig) -> None:
        self.config = config
        self.workers = config.workers

    def probe(self) -> Hardware:
        """What a worker will have, as far as it can be told without asking the cluster."""
        if importlib.util.find_spec("ray") is None:
            return Hardware(available=False, reason="the package ray is not installed")
        words = {"fp32", "bf16"}
        words |= {"fp16"} if self.config.use_gpu else set()
        words |= {"nf4"} if importlib.util.find_spec("bitsandbytes") else set()
        each = "a GPU each" if self.config.use_gpu else f"processors each: {self.config.cpus_per_worker}"
        where = f"Ray at {self.config.address}" if self.config.address else "Ray on this machine"
        return Hardware(
            available=True,
            devices=(f"{where}, {self.workers} workers, {each}",),
            memory_bytes=psutil.virtual_memory().total,
            capabilities=frozenset(words),
        )

    def precision(self, trains_base: bool) -> Precision:
        """As on one device: weights that train stay in float32, and in fp16 all weights do."""
        wanted = self.config.precision
        if wanted == "auto":
            wanted = "bf16" if self.config.use_gpu else "fp32"
        if wanted == "fp32":
            return Precision("float32")
        if wanted == "fp16":
            return Precision("float32", autocast="float16")
        return Precision("float32", autocast="bfloat16") if trains_base else Precision("bfloat16")

    def place(self) -> Mapping[str, Any]:
        return {"use_cpu": not self._has_gpu()}

    def device(self) -> str:
        """The worker's own, by the variable that Ray Train sets; outside of a run the first one."""
        return os.environ.get("ACCELERATE_TORCH_DEVICE", "cuda:0") if self._has_gpu() else "cpu"

    def memory(self) -> int:
        """Of the first worker: bytes that torch has reserved on its GPU, or that the process holds, at the peak."""
        if self._has_gpu():
            import torch

            return int(torch.cuda.max_memory_reserved(self.device()))
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB

    def launch(self, work: Callable[[], None], follow: Callable[[], None]) -> None:
        """Raises ResourceError when the cluster has too little, or when a worker is lost."""
        training = Training(self.config, work)
        training.start()
        try:
            while training.is_alive():
                training.join(PAUSE)
                follow()
            if training.error:
                raise training.error
        finally:
            training.stop()

    def _has_gpu(self) -> bool:
        """A run with GPUs can be used afterwards where there are none."""
        if not self.config.use_gpu:
            return False
        import torch

        return torch.cuda.is_available()
