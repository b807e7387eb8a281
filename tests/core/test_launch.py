"""A run that several processes compute together: the same numbers as one, the same errors, and it can be resumed.

The backend here forks, which takes no time. What it does is what any launcher of torch's does.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.conftest import Result, Terminal, echo_rows, write_rows
from tests.core.test_guard import FAILING
from tests.core.test_resume import AT_EVENT, KILLER, outcome, plugin_file

FORKED = """
import os, time
from datetime import timedelta
from pathlib import Path
from ftcore import BackendSpec, Ref, hookimpl
from ftcore.errors import ResourceError
from ftcore_plugins.cpu.backend import Cpu
from ftcore_plugins.cpu.config import CpuConfig

@hookimpl
def ftcore_hardware_backends():
    yield BackendSpec(name="forked", summary="forks", priority=-1, factory=Ref(__name__ + ":Forked"),
                      config=Ref("ftcore_plugins.cpu.config:CpuConfig"))

class Forked(Cpu):
    workers = 2

    def launch(self, work, follow):
        Path("store").unlink(missing_ok=True)
        alive = {self.start(rank, work) for rank in range(self.workers)}
        try:
            while alive:
                follow()
                time.sleep(0.02)
                for pid in set(alive):
                    ended, status = os.waitpid(pid, os.WNOHANG)
                    if ended:
                        alive.remove(pid)
                        if status:
                            raise ResourceError(f"a worker ended with {status}", fix="start it again")
        finally:
            for pid in alive:
                os.kill(pid, 9)
                os.waitpid(pid, 0)

    def start(self, rank, work):
        pid = os.fork()
        if pid:
            return pid
        try:
            import torch
            torch.set_num_threads(1)
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(self.workers),
                           "LOCAL_WORLD_SIZE": str(self.workers), "OMP_NUM_THREADS": "1"}
            torch.distributed.init_process_group("gloo", init_method=f"file://{os.getcwd()}/store", rank=rank,
                                                 world_size=self.workers, timeout=timedelta(seconds=60))
            work()
            os._exit(0)
        except BaseException as error:
            Path(f"worker-{rank}.txt").write_text(repr(error))
            time.sleep(0.2)  # a launcher is slow to notice
            os._exit(1)
"""


class Case:
    def __init__(self, ftcore: Terminal, tiny: Path, folder: Path) -> None:
        self.ftcore, self.tiny, self.folder = ftcore, tiny, folder
        write_rows(folder / "rows.jsonl", echo_rows(24))
        self.forked = plugin_file(folder, FORKED)

    def run(self, out: str, *more: object, backend: str = "forked") -> Result:
        return self.ftcore(
            "run", *self.forked, "--model", self.tiny, "--data", "rows.jsonl", "--backend", backend,
            "--backend.precision", "fp32", "--train.epochs", 2, "--train.batch_size", 4, "--evaluate.holdout", 4,
            "--train.learning_rate", 1e-3, "--train.max_length", 256, "--evaluate.generate", 2,
            "--evaluate.max_new_tokens", 2, "--checkpoints.every", 2, "--reporters", "metrics", "--out", out, *more,
        )  # fmt: skip

    def failing(self, what: str, *more: object) -> Result:
        return self.run("run", *plugin_file(self.folder, FAILING.format(what=what)), "--strategy", "failing", *more)


@pytest.fixture
def case(ftcore: Terminal, tiny: Path, tmp_path: Path) -> Case:
    return Case(ftcore, tiny, tmp_path)


def test_two_workers_compute_what_one_process_does(case: Case):
    settings = ["--train.micro_batch_size", 1, "--evaluate.every", 4]
    assert case.run("one", *settings, backend="cpu").code == 0
    result = case.run("two", *settings)
    assert result.code == 0, result.err
    one, two = outcome(case.folder / "one"), outcome(case.folder / "two")
    for expected, found in zip(one["steps"], two["steps"], strict=True):
        assert found == pytest.approx(expected, abs=1e-4)
    assert [line["step"] for line in two["judged"]] == [0, 4, 8, 10]
    for expected, found in zip(one["judged"], two["judged"], strict=True):
        assert found["loss.loss"] == pytest.approx(expected["loss.loss"], abs=1e-4)
    assert [sample["after"] for sample in two["samples"]] == [sample["after"] for sample in one["samples"]]
    names = {path.name for path in (case.folder / "one").iterdir()}
    assert {path.name for path in (case.folder / "two").iterdir()} == names, "nothing of the workers is left"


def test_a_batch_that_cannot_be_shared_is_refused_on_the_plan(case: Case):
    result = case.run("run", "--train.batch_size", 5)
    assert result.code == 2
    assert "train.batch_size 5 cannot be shared evenly by 2 workers" in result.err
    assert "try: --train.batch_size 6" in result.err
    result = case.run("run", "--train.micro_batch_size", 4)
    assert result.code == 2
    assert "train.micro_batch_size 4 does not divide train.batch_size 4, shared by 2 workers" in result.err
    assert "try: --train.micro_batch_size 2" in result.err
    assert not (case.folder / "run").exists()


SECOND = "torch.distributed.get_rank() == 1"


def test_an_error_of_one_worker_is_the_error_of_the_run(case: Case):
    what = f"if {SECOND}: from ftcore.errors import PolicyError; raise PolicyError('no', where='here', fix='ask')"
    result = case.failing(what)
    assert result.code == 8
    assert [line for line in result.err.splitlines() if "Warning" not in line] == ["error: here: no", "  try: ask"]


def test_a_number_that_is_none_in_one_worker_stops_all(case: Case):
    result = case.failing(f"loss = loss * float('nan') if {SECOND} else loss", "--checkpoints.every", 1)
    assert result.code == 6
    assert "at step 3" in result.err
    assert sorted(path.name for path in (case.folder / "run" / "checkpoints").iterdir())[-1] == "step-000002"


def test_a_bug_in_a_worker_leaves_its_traceback_in_the_crash_file(case: Case, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(case.folder))
    result = case.failing(f"if {SECOND}: raise IndexError('odd')")
    assert result.code == 1
    assert "ftcore has a bug: RuntimeError: in a worker: IndexError: odd" in result.err
    [crash] = case.folder.glob("ftcore-crash-*.txt")
    assert "in compute_loss" in crash.read_text()


def test_a_signal_before_anything_is_learned_ends_the_workers_at_once(case: Case):
    result = case.run("run", *plugin_file(case.folder, AT_EVENT, "loading the model"), "--reporters", "metrics,killer")
    assert result.code == 143
    assert "resume" not in result.err
    assert not (case.folder / "run").exists()


def test_a_run_goes_on_after_a_signal_and_after_the_loss_of_a_worker(case: Case):
    lose = f"import os; Path('lose').exists() and self.state.global_step == 6 and {SECOND} and os.kill(os.getpid(), 9)"
    plugin = FAILING.replace("if self.state.global_step == 2:", "if True:").format(what=lose)
    settings = [*plugin_file(case.folder, plugin), "--strategy", "failing", "--method.dropout", 0.2]
    assert case.run("whole", *settings).code == 0
    stopped = case.run(
        "parts", *settings, *plugin_file(case.folder, KILLER.format(hook="ftcore_after_step", step=3, name="SIGTERM"))
    )
    assert stopped.code == 143
    assert "nothing is lost" in stopped.err
    assert "try: ftcore resume parts" in stopped.err
    assert not (case.folder / "parts" / ".workers").exists()
    control = case.folder / "lose"
    control.touch()
    lost = case.ftcore("resume", "parts", *case.forked, *settings[:2])
    assert lost.code == 5
    assert "error: parts: a worker ended with 9" in lost.err
    assert "try: ftcore resume parts" in lost.err
    control.unlink()
    resumed = case.ftcore("resume", "parts", *case.forked, *settings[:2])
    assert resumed.code == 0, resumed.err
    assert outcome(case.folder / "parts") == outcome(case.folder / "whole")
