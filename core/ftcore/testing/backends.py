"""The contract of hardware backends: what is probed is true, and a tiny model trains there.

    from ftcore.testing.backends import BackendContract

    class TestNpu(BackendContract):
        name = "npu"

Where the hardware is missing, only the probe is asked; the rest is listed as left out.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from ftcore.protocols import HardwareBackend, LaunchingBackend
from ftcore.run.execute import execute
from ftcore.specs import BackendSpec
from ftcore.testing.contract import left_out
from ftcore.testing.runs import RunContract, session


class BackendContract(RunContract):
    """Inherit, give the backend's `name` and `settings`, and let pytest collect the rest."""

    kind = "backend"

    @classmethod
    def spec(cls) -> BackendSpec:
        spec = super().spec()
        assert isinstance(spec, BackendSpec)
        return spec

    @classmethod
    def build(cls) -> HardwareBackend:
        backend = super().build()
        assert isinstance(backend, HardwareBackend)
        return backend

    @classmethod
    def available(cls) -> HardwareBackend:
        backend = cls.build()
        found = backend.probe()
        return backend if found.available else left_out(f"the hardware is not there: {found.reason}")

    def test_the_probe_says_what_is_there_or_why_nothing_is(self) -> None:
        found = self.build().probe()
        assert all(isinstance(word, str) for word in found.capabilities)
        if found.available:
            assert found.devices, "an available backend names its devices"
            assert found.memory_bytes > 0, "memory is counted in bytes"
        else:
            assert found.reason, "an unavailable backend says why"
        assert self.build().probe() == found, "probed again, it finds something else"

    @pytest.mark.parametrize("trains_base", [False, True])
    def test_the_precision_is_one_that_torch_has(self, trains_base: bool) -> None:
        precision = self.available().precision(trains_base)
        for name in filter(None, (precision.weights, precision.autocast)):
            assert isinstance(getattr(torch, name, None), torch.dtype), f"torch has no dtype {name!r}"
        if trains_base:
            assert precision.weights == "float32", "a small update to a 16-bit weight is rounded away"

    def test_tensors_can_be_held_on_its_device(self) -> None:
        backend = self.available()
        assert torch.ones(2, device=backend.device()).sum().item() == 2.0

    def test_memory_is_counted_in_bytes(self) -> None:
        used = self.available().memory()
        assert isinstance(used, int), f"{used!r} is no whole number"
        assert used >= 0

    def test_a_tiny_model_trains_there(self, base_folder: Path, tmp_path: Path) -> None:
        backend = self.available()
        plan = self.plan(base_folder, tmp_path, backend=self.itself(), train={"steps": 2})
        if isinstance(backend, LaunchingBackend):
            folder, _ = execute(plan, self.manager())
            report = json.loads((folder / "report.json").read_text())
            assert report["training"]["steps"] == 2
            assert math.isfinite(report["training"]["final_loss"])
            return
        ready = session(plan, self.manager())
        assert ready.trainer is not None
        ready.trainer.train()
        devices = {parameter.device.type for parameter in ready.model.parameters()}
        assert devices == {torch.device(ready.backend.device()).type}, f"the model is on {devices}"
        losses = [entry["loss"] for entry in ready.trainer.state.log_history if "loss" in entry]
        assert len(losses) == 2
        assert all(math.isfinite(loss) for loss in losses)
