"""What a command imports decides how long it takes to start: no listing may import torch."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from tests import distributions
from tests.distributions import METHOD

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


@pytest.mark.parametrize(
    "line",
    ["plan", "run --method dpo", "run --data absent.jsonl", "run --train.epohcs 2", "chat absent", "merge absent"],
)
def test_checks_and_errors_come_before_torch(line: str):
    _, modules = imported(*line.split())
    assert not modules & {"torch", "transformers"}


def seconds(folder: Path | None, *arguments: str) -> float:
    """Processor time that a command takes with the distributions of a folder installed. A busy machine adds none."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, **({"PYTHONPATH": str(folder)} if folder else {})}
    subprocess.run([sys.executable, "-m", "ftcore", *arguments], env=environment, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("line", ["--help", "plugins list"])
def test_a_hundred_plugins_make_a_listing_at_most_half_as_slow_again(line: str, tmp_path: Path):
    for number in range(100):
        distributions.install(tmp_path, f"acme{number}", METHOD.format(name=f"acme{number}"))
    seconds(tmp_path, *line.split())  # leaves the bytecode, as pip does when it installs
    rounds = [(seconds(None, *line.split()), seconds(tmp_path, *line.split())) for _ in range(5)]
    none, hundred = (statistics.median(times) for times in zip(*rounds, strict=True))
    sys.stdout.write(f"ftcore {line}: {none:.3f} s with none, {hundred:.3f} s with 100: {hundred / none:.2f} times\n")
    assert hundred <= 1.5 * none
