"""Every built-in hardware backend keeps the contract of hardware backends, as far as its hardware is here."""

# ruff: noqa: RUF012 - settings are read, never changed

from ftcore.testing.backends import BackendContract


class TestCpu(BackendContract):
    name = "cpu"
    settings = {"threads": 1}


class TestCpuInBf16(BackendContract):
    name = "cpu"
    settings = {"precision": "bf16"}


class TestCuda(BackendContract):
    name = "cuda"


class TestMps(BackendContract):
    name = "mps"
