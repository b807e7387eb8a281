"""Whole runs on two workers: the numbers of one process, errors that arrive, and a run that goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

LINE = (
    "--model", "tiny", "--data", "rows.jsonl", "--method", "lora", "--train.epochs", 2, "--train.batch_size", 4,
    "--evaluate.holdout", 4, "--train.learning_rate", 1e-3, "--train.max_length", 256, "--evaluate.generate", 2,
    "--evaluate.max_new_tokens", 2, "--checkpoints.every", 2, "--reporters", "console,metrics",
)  # fmt: skip
STEPS = 10
"""Twenty rows to train on in batches of four, twice."""

STRATEGY = """
import os
from pathlib import Path
import torch
from ftcore import Ref, StrategySpec, hookimpl
from ftcore.errors import PolicyError
from trl import SFTConfig, SFTTrainer

@hookimpl
def ftcore_alignment_strategies():
    yield StrategySpec(name="sabotaged", summary="does what a file says", examples=("chat",),
                       factory=Ref(__name__ + ":Sabotaged"))

class Sabotaged:
    def trainer(self, session):
        arguments = SFTConfig(**session.arguments(), dataset_kwargs={"skip_prepare_dataset": True})
        return session.guarded(Trainer)(model=session.model, args=arguments, train_dataset=session.data.train,
                                        eval_dataset=session.data.heldout, processing_class=session.tokenizer)

class Trainer(SFTTrainer):
    def training_step(self, *args, **kwargs):
        if self.state.global_step == 5 and torch.distributed.get_rank() == 1:
            wanted = Path("sabotage.txt").read_text()
            if wanted == "raise":
                raise PolicyError("not on a Sunday", where="the calendar", fix="wait for Monday")
            if wanted == "die":
                os.kill(os.getpid(), 9)
        return super().training_step(*args, **kwargs)
"""


@pytest.fixture(scope="module")
def sabotage(folder: Path):
    """Say what happens to the second worker at step 6; the flags that load whoever listens."""
    (folder / "sabotaged.py").write_text(STRATEGY)

    def say(what: str) -> list[str]:
        (folder / "sabotage.txt").write_text(what)
        return ["--plugin", "sabotaged.py"]

    return say


def numbers(run: Path, *names: str) -> list[list[Any]]:
    """The named numbers of each step."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [[line[name] for name in names] for line in lines if "loss" in line and "when" not in line]


def test_an_error_of_one_worker_is_the_error_of_the_run(ftcore, sabotage):
    code, printed = ftcore(
        "run", *LINE, *sabotage("raise"), "--strategy", "sabotaged", "--backend", "ray", "--out", "no"
    )
    assert code == 8
    assert "error: the calendar: not on a Sunday" in printed
    assert "  try: wait for Monday" in printed
    assert "Traceback" not in printed


def test_a_run_that_lost_a_worker_goes_on_and_learns_what_one_process_does(ftcore, sabotage, folder: Path):
    run, one = folder / "two", folder / "one"
    code, printed = ftcore(
        "run", *LINE, *sabotage("die"), "--strategy", "sabotaged", "--backend", "ray", "--out", "two"
    )
    assert code == 5
    assert "step 1/10" in printed, "the console tells of the steps"
    assert "a worker was lost" in printed
    assert "  try: ftcore resume two" in printed
    code, printed = ftcore("resume", "two", *sabotage("nothing"))
    assert code == 0, printed

    code, printed = ftcore("run", *LINE, "--backend", "cpu", "--backend.precision", "fp32", "--out", "one")
    assert code == 0, printed
    for name in ("loss", "grad_norm", "learning_rate", "tokens"):
        assert len(numbers(run, name)) == STEPS
        assert numbers(run, name) == [pytest.approx(each, abs=1e-4) for each in numbers(one, name)]
    reports = [json.loads((each / "report.json").read_text()) for each in (one, run)]
    for when in ("before", "after"):
        expected, found = (report[when]["loss"]["loss"] for report in reports)
        assert found == pytest.approx(expected, abs=1e-4)
    assert reports[1]["artifact"]["verified"]

    code, printed = ftcore("merge", "two", *sabotage("nothing"), "--out", "merged")
    assert code == 0, printed
    merged = load_file(folder / "merged" / "model.safetensors")
    base = load_file(folder / "tiny" / "model.safetensors")
    assert any(not torch.equal(tensor, base[name]) for name, tensor in merged.items())


def test_more_than_the_cluster_has_is_refused(ftcore):
    code, printed = ftcore("run", *LINE, "--backend", "ray", "--backend.cpus_per_worker", 2, "--out", "large")
    assert code == 5
    assert "2 workers need 4 CPU of the cluster, which has 2" in printed
    assert "  try: --backend.workers 1" in printed


KILLER = """
import os, signal
from ftcore import hookimpl

@hookimpl
def ftcore_after_step(event):
    if event.step == 3:
        os.kill(os.getpid(), signal.SIGINT)
"""


def test_ctrl_c_leaves_a_checkpoint(cluster: str, folder: Path):
    """In a process of its own, that joins the cluster as it would join one of many machines."""
    (folder / "killer.py").write_text(KILLER)
    done = subprocess.run(
        [sys.executable, "-m", "ftcore", "run", *map(str, LINE), "--train.epochs", "400", "--plugin", "killer.py",
         "--backend", "ray", "--backend.address", cluster, "--out", "stopped"],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 128 + signal.SIGINT, done.stderr
    assert "try: ftcore resume stopped" in done.stderr
    assert any((folder / "stopped" / "checkpoints").glob("step-*"))
