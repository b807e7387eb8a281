"""Every built-in alignment strategy keeps the contract of alignment strategies."""

# ruff: noqa: RUF012 - settings are read, never changed

from ftcore.testing.strategies import StrategyContract


class TestSft(StrategyContract):
    name = "sft"


class TestSftPacked(StrategyContract):
    name = "sft"
    settings = {"packing": True, "loss": "dft"}
    run_file = {"train": {"batch_size": 1}}
