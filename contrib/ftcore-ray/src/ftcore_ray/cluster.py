"""One training on a Ray cluster, in a thread beside the one that the user's signals come to.

Ray takes signals for itself when it is started in the main thread, and then no checkpoint would be written at Ctrl-C.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Callable
from typing import Any

from ftcore.errors import FtcoreError, ResourceError
from ftcore_ray.config import RayConfig

TIMEOUT = 24 * 3600
"""Seconds that workers wait for each other. One that is lost is noticed at once; this only has to be longer than the
first one needs to tokenise the rows or to judge the model while the others wait."""

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")


class Training(threading.Thread):
    """Calls `work` in every worker. When it is no longer alive, `error` says what went wrong, or is None."""

    def __init__(self, config: RayConfig, work: Callable[[], None]) -> None:
        super().__init__(daemon=True, name="ray")
        self.error: FtcoreError | None = None
        self._config, self._work = config, work
        self._is_ours = False

    def run(self) -> None:
        from ray.exceptions import RayError
        from ray.train import TrainingFailedError

        try:
            self._connect()
            self._must_have_room()
            with tempfile.TemporaryDirectory(prefix="ftcore-ray-") as scratch:
                self._trainer(scratch).fit()
        except FtcoreError as error:
            self.error = error
        except (TrainingFailedError, RayError, ConnectionError) as error:
            self.error = ResourceError(
                "Ray could not finish the run: a worker was lost, or none could be started",
                more=_last_words(error),
                fix="fewer --backend.workers, if memory ran out",
            )

    def stop(self) -> None:
        """Leave no worker behind: those of a run that is still alive die with the connection."""
        import ray

        if self._is_ours or self.is_alive():
            ray.shutdown()

    def _connect(self) -> None:
        import ray

        if ray.is_initialized():
            return
        self._is_ours = True
        is_loud = bool(os.environ.get("FTCORE_VERBOSE"))
        logging.getLogger("ray").setLevel(logging.INFO if is_loud else logging.ERROR)
        config = self._config
        where: dict[str, Any] = {"address": config.address}
        if config.address is None:
            # Ray counts processors to share them out; two workers on one processor are slow, not wrong.
            num_cpus = max(os.cpu_count() or 1, config.workers * config.cpus_per_worker)
            where = {"address": "local", "num_cpus": num_cpus, "include_dashboard": False}
        ray.init(**where, log_to_driver=is_loud, logging_level=logging.INFO if is_loud else logging.ERROR)

    def _must_have_room(self) -> None:
        """Ray would wait for ever for what no machine of the cluster has."""
        import ray

        there = ray.cluster_resources()
        for name, each in self._each().items():
            if each * self._config.workers > there.get(name, 0):
                fits = int(there.get(name, 0) // each)
                raise ResourceError(
                    f"{self._config.workers} workers need {each * self._config.workers:g} {name} of the cluster, "
                    f"which has {there.get(name, 0):g}",
                    fix=f"--backend.workers {fits}" if fits else "ray status",
                )

    def _each(self) -> dict[str, float]:
        gpu = {"GPU": 1.0} if self._config.use_gpu else {}
        return {"CPU": self._config.cpus_per_worker, **gpu, **self._config.resources}

    def _trainer(self, scratch: str) -> Any:
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer

        return TorchTrainer(
            self._work,
            # gloo beside nccl carries what is no tensor on a GPU.
            torch_config=TorchConfig("cpu:gloo,cuda:nccl" if self._config.use_gpu else "gloo", timeout_s=TIMEOUT),
            scaling_config=ScalingConfig(
                num_workers=self._config.workers, use_gpu=self._config.use_gpu, resources_per_worker=self._each()
            ),
            run_config=RunConfig(storage_path=scratch, failure_config=FailureConfig(max_failures=0)),
        )


def _last_words(error: Exception) -> list[str]:
    """What each failed worker said last."""
    failures = getattr(error, "worker_failures", None) or {0: error}
    return [f"worker {rank}: {str(failure).strip().splitlines()[-1]}" for rank, failure in failures.items()]
