"""The hardware backends: what they find here, and what they decide from it."""

import importlib.util
import json
import os
import subprocess
import sys
import time

import pytest

from ftcore.manager import PluginManager
from ftcore.protocols import HardwareBackend
from ftcore.types import Precision
from ftcore_plugins.cpu.backend import Cpu, has_bf16, memory_limit, processor_words
from ftcore_plugins.cpu.config import CpuConfig
from ftcore_plugins.cuda.backend import Cuda, has_driver
from ftcore_plugins.cuda.config import CudaConfig
from ftcore_plugins.mps.backend import Mps
from ftcore_plugins.mps.config import MpsConfig

MIB = 2**20


@pytest.mark.parametrize("backend", [Cpu(CpuConfig()), Cuda(CudaConfig()), Mps(MpsConfig())])
def test_each_keeps_the_protocol(backend):
    assert isinstance(backend, HardwareBackend)
    hardware = backend.probe()
    assert hardware.available == (hardware.reason is None)
    if hardware.available:
        assert hardware.devices
        assert hardware.memory_bytes > 0


def test_the_fastest_that_is_there_comes_first():
    manager = PluginManager.discover()
    priorities = {name: manager.find("backend", name).spec.priority for name in ("cpu", "mps", "cuda")}
    assert priorities == {"cpu": 0, "mps": 10, "cuda": 20}


@pytest.mark.parametrize(("given", "taken"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_waiting_threads_sleep_unless_told_otherwise(given, taken):
    """OpenMP reads it when torch is loaded, so it must stand there before."""
    code = "import os, sys, ftcore_plugins.cpu.backend; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    env = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"} | given
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [taken, "False"]


def test_a_machine_without_a_gpu_is_probed_without_torch():
    code = """
import json, sys
from ftcore.manager import PluginManager
manager = PluginManager.discover()
found = {}
for name in ("cpu", "mps", "cuda"):
    spec = manager.find("backend", name).spec
    backend = spec.factory.load()(spec.config.load()())
    found[name] = backend.probe().reason
    if name == "cpu":
        backend.precision(True), backend.device(), backend.memory(), backend.place()
print(json.dumps({"reasons": found, "torch": "torch" in sys.modules}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["reasons"]["cpu"] is None
    if not has_driver() and sys.platform != "darwin":
        assert found["torch"] is False
        assert found["reasons"]["cuda"] == "no NVIDIA or AMD driver found"
        assert "Apple" in found["reasons"]["mps"]


def test_the_processor_says_what_it_can():
    started = time.perf_counter()
    hardware = Cpu(CpuConfig()).probe()
    assert time.perf_counter() - started < 0.5
    assert "fp32" in hardware.capabilities
    assert ("nf4" in hardware.capabilities) == (importlib.util.find_spec("bitsandbytes") is not None)
    assert ("bf16" in hardware.capabilities) == has_bf16(processor_words())
    assert 64 * MIB < hardware.memory_bytes == memory_limit()


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("flags : fpu sse2 avx2 avx512f avx512_bf16 rdpid", True),
        ("flags : fpu avx512f amx_bf16 amx_tile", True),
        ("Features : fp asimd i8mm bf16 dgh", True),
        ("flags : fpu sse2 avx2 avx512f avx512_vnni", False),
        ("", False),
    ],
)
def test_bfloat16_is_used_only_where_there_are_instructions_for_it(cpuinfo, expected):
    assert has_bf16(frozenset(cpuinfo.split())) is expected


def test_the_precision_of_a_processor():
    fp32, bf16 = Cpu(CpuConfig(precision="fp32")), Cpu(CpuConfig(precision="bf16"))
    for trains_base in (True, False):
        assert fp32.precision(trains_base) == Precision("float32")
        chosen = bf16 if has_bf16(processor_words()) else fp32
        assert Cpu(CpuConfig()).precision(trains_base) == chosen.precision(trains_base)
    assert bf16.precision(trains_base=False) == Precision("bfloat16")
    assert bf16.precision(trains_base=True) == Precision("float32", autocast="bfloat16")


def test_threads_are_set_when_the_run_is_placed():
    import torch

    before = torch.get_num_threads()
    try:
        assert Cpu(CpuConfig(threads=before + 1)).place() == {"use_cpu": True}
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
    Cpu(CpuConfig()).place()
    assert torch.get_num_threads() == before


def test_memory_is_the_peak_in_bytes():
    backend = Cpu(CpuConfig())
    before = backend.memory()
    block = bytearray(64 * MIB)
    block[::4096] = b"x" * len(block[::4096])
    peak = backend.memory()
    del block
    assert before > 10 * MIB
    assert backend.memory() >= peak >= before


def test_an_apple_gpu_computes_in_float32():
    backend = Mps(MpsConfig())
    assert backend.device() == "mps"
    assert backend.precision(trains_base=True) == backend.precision(trains_base=False) == Precision("float32")


@pytest.mark.parametrize(
    ("visible", "index", "expected"),
    [(None, 0, "0"), (None, 3, "3"), ("4,5,6", 1, "5"), ("GPU-a", 0, "GPU-a"), ("4,5", 2, "4,5")],
)
def test_only_the_chosen_gpu_is_shown_to_the_trainer(monkeypatch, visible, index, expected):
    """With several in sight, transformers' Trainer would split every batch over them."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible or "")
    for name in ("FTCORE_CUDA_VISIBLE_DEVICES", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    backend = Cuda(CudaConfig(device=index))
    for _ in range(2):  # a plan places more than once
        assert backend.place() == {}
        assert os.environ["CUDA_VISIBLE_DEVICES"] == expected
    monkeypatch.delenv("FTCORE_CUDA_VISIBLE_DEVICES")


def test_under_a_launcher_each_process_keeps_its_own_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    backend = Cuda(CudaConfig())
    backend.place()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert backend.device() == "cuda:1"


@pytest.mark.gpu
def test_a_gpu_is_found_and_measured():
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    backend = Cuda(CudaConfig())
    hardware = backend.probe()
    assert hardware.available
    assert {"fp32", "fp16", "nf4"} <= hardware.capabilities
    assert hardware.memory_bytes == torch.cuda.get_device_properties(0).total_memory
    before = backend.memory()
    block = torch.zeros(256 * MIB, dtype=torch.uint8, device=backend.device())
    del block
    assert backend.memory() >= before + 128 * MIB
    assert Cuda(CudaConfig(precision="fp16")).precision(False) == Precision("float32", autocast="float16")
    if "bf16" in hardware.capabilities:
        assert backend.precision(trains_base=False) == Precision("bfloat16")
        assert backend.precision(trains_base=True) == Precision("float32", autocast="bfloat16")
