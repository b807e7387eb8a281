"""What a command imports decides how long it takes to start: no listing may import torch."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "datasets", "pandas", "numpy", "pyarrow", "bitsandbytes", "trl", "peft")
PROBE = """
import json, sys
from ftcore.cli.main import main
code = main(sys.argv[1:])
sys.stderr.write(json.dumps([code, sorted(name for name in sys.modules if "." not in name)]))
"""


def imported(*arguments: str) -> tuple[int, set[str]]:
    done = subprocess.run([sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, timeout=60)
    code, modules = json.loads(done.stderr.splitlines()[-1])
    return code, set(modules)


@pytest.mark.parametrize(
    "line",
    ["--help", "--version", "list", "list methods --json", "plugins list", "hooks", "hooks ftcore_tuning_methods"],
)
def test_listings_import_neither_torch_nor_pydantic(line: str):
    code, modules = imported(*line.split())
    assert code == 0
    assert not modules & {*HEAVY, "pydantic", "rich", "yaml"}


@pytest.mark.parametrize("line", ["run --help", "run --method qlora --help", "plan --help", "explain lora", "schema"])
def test_help_with_settings_imports_no_torch(line: str):
    code, modules = imported(*line.split())
    assert code == 0
    assert not modules & set(HEAVY)


@pytest.mark.parametrize("line", ["plan", "run --method dpo", "run --data absent.jsonl", "run --train.epohcs 2"])
def test_checks_and_errors_come_before_torch(line: str):
    _, modules = imported(*line.split())
    assert not modules & {"torch", "transformers"}
