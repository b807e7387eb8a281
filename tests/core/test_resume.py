"""A run that was stopped goes on as if it had not been: the same losses and the same bytes at the end."""

from __future__ import annotations

import hashlib
import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Result, Terminal, echo_rows, write_rows

STEPS = 10
"""Twenty rows to train on in batches of four, twice."""

KILLER = """
import os, signal
from ftcore import hookimpl

@hookimpl
def {hook}(event):
    if event.step == {step}:
        os.kill(os.getpid(), signal.{name})
"""


def plugin_file(folder: Path, text: str, control: object = "") -> list[object]:
    """The flags that load a plugin with this text, which reads `control` from a file beside it when it runs.

    Its name follows from folder and text: modules of one process need names of their own, and a resumed run needs the
    same plugin again.
    """
    name = hashlib.sha256(f"{folder}{text}".encode()).hexdigest()[:12]
    path = folder / f"plugin_{name}.py"
    path.write_text(text)
    path.with_suffix(".txt").write_text(str(control))
    return ["--plugin", path]


class Case:
    """One run file, run to its end once, and once with a stop on the way."""

    def __init__(self, ftcore: Terminal, tiny: Path, folder: Path) -> None:
        self.ftcore, self.tiny, self.folder = ftcore, tiny, folder
        write_rows(folder / "rows.jsonl", echo_rows(24))

    def line(self, *more: object, method: str = "lora") -> list[object]:
        return [
            "--model", self.tiny, "--data", "rows.jsonl", "--method", method, "--backend", "cpu",
            "--backend.precision", "fp32", "--train.epochs", 2, "--train.batch_size", 4, "--evaluate.holdout", 4,
            "--train.learning_rate", 1e-3, "--evaluate.generate", 2, "--evaluate.max_new_tokens", 2,
            "--train.max_length", 256, *more,
        ]  # fmt: skip

    def killer(self, step: int, name: str = "SIGTERM", hook: str = "ftcore_after_step") -> list[object]:
        return plugin_file(self.folder, KILLER.format(hook=hook, step=step, name=name))

    def whole(self, *more: object, method: str = "lora") -> dict[str, Any]:
        result = self.ftcore("run", *self.line(*more, method=method), "--out", "whole")
        assert result.code == 0, result.err
        return outcome(self.folder / "whole")

    def stopped(self, at: int, *more: object, method: str = "lora", name: str = "SIGTERM") -> Result:
        """The signal comes when the step before `at` is told to observers; the run stops after step `at`."""
        return self.ftcore("run", *self.line(*more, method=method), *self.killer(at - 1, name), "--out", "parts")

    def resumed(self) -> dict[str, Any]:
        result = self.ftcore("resume", "parts")
        assert result.code == 0, result.err
        return outcome(self.folder / "parts")


@pytest.fixture
def case(ftcore: Terminal, tiny: Path, tmp_path: Path) -> Case:
    return Case(ftcore, tiny, tmp_path)


def outcome(folder: Path) -> dict[str, Any]:
    """Every number of every step, what was measured, and the artifact's bytes."""
    must_hold_no_pickle(folder)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    report = json.loads((folder / "report.json").read_text())
    weights = sorted((folder / "model").glob("*.safetensors"))
    assert weights
    numbers = ("step", "loss", "grad_norm", "learning_rate", "tokens")
    return {
        "steps": [[line[name] for name in numbers] for line in lines if "loss" in line and "when" not in line],
        "judged": [line for line in lines if "when" in line],
        "weights": [hashlib.sha256(path.read_bytes()).hexdigest() for path in weights],
        "losses": [report["training"][name] for name in ("steps", "first_loss", "final_loss")],
        "before": report["before"],
        "after": report["after"],
        "samples": report["samples"],
    }


def must_hold_no_pickle(folder: Path) -> None:
    """Neither by name nor by content: a pickle begins with 0x80 and its protocol, torch's are in a zip."""
    for path in folder.rglob("*"):
        if path.is_file():
            assert path.suffix not in {".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt"}, path
            head = path.read_bytes()[:4]
            assert not (head[:1] == b"\x80" and head[1:2] <= b"\x05" and path.suffix != ".safetensors"), path
            assert head != b"PK\x03\x04", path


def checkpoints(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


@pytest.mark.parametrize("at", [3, 5, 7], ids=["middle-of-first-epoch", "end-of-epoch", "middle-of-second-epoch"])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_stopped_run_ends_like_one_that_never_stopped(case: Case, method: str, at: int):
    dropout = ["--method.dropout", 0.2] if method == "lora" else []
    whole = case.whole(*dropout, method=method)
    stopped = case.stopped(at, *dropout, method=method)
    assert stopped.code == 143
    assert f"stopped after step {at}" in stopped.err
    assert "try: ftcore resume parts" in stopped.err
    assert checkpoints(case.folder / "parts") == [f"step-{at:06d}"]
    assert not (case.folder / "parts" / "model").exists()
    must_hold_no_pickle(case.folder / "parts")
    assert case.resumed() == whole
    assert len(whole["steps"]) == STEPS


@pytest.mark.parametrize(
    "settings",
    [
        ["--train.micro_batch_size", 2, "--method.dropout", 0.2],
        ["--train.optimizer", "adafactor", "--train.scheduler", "polynomial"],
        ["--train.optimizer", "sgd", "--train.scheduler", "constant"],
        ["--method", "full", "--train.optimizer", "adamw_bnb_8bit"],
        ["--method.plus_ratio", 4, "--train.weight_decay", 0.1, "--train.scheduler", "inverse_sqrt"],
        ["--strategy.packing", "--train.batch_size", 1, "--train.max_length", 64],
        ["--train.gradient_checkpointing", "--method.dropout", 0.2],
        ["--method", "qlora"],
        ["--method", "freeze"],
    ],
    ids=["micro-batches", "adafactor", "sgd", "8-bit", "parameter-groups", "packing", "recomputing", "qlora", "freeze"],
)
def test_so_it_is_with_other_settings(case: Case, settings: list[object]):
    whole = case.whole(*settings)
    assert case.stopped(4, *settings).code == 143
    assert checkpoints(case.folder / "parts") == ["step-000004"]
    assert case.resumed() == whole


def test_a_run_may_be_stopped_again_and_again(case: Case):
    whole = case.whole()
    assert case.stopped(3, name="SIGINT").code == 130
    again = case.ftcore("resume", "parts", *case.killer(5, "SIGINT"))
    assert again.code == 130, again.err
    assert checkpoints(case.folder / "parts") == ["step-000003", "step-000006"]
    assert case.resumed() == whole


def test_a_run_that_was_killed_goes_on_from_its_newest_checkpoint(case: Case, shell: Terminal):
    settings = ["--checkpoints.every", 2, "--checkpoints.keep", 2]
    whole = case.whole(*settings)
    killed = shell(
        "run", *case.line(*settings), *case.killer(6, "SIGKILL", "ftcore_after_checkpoint"), "--out", "parts"
    )
    assert killed.code == -signal.SIGKILL
    assert checkpoints(case.folder / "parts") == ["step-000004", "step-000006"]
    assert case.resumed() == whole
    assert checkpoints(case.folder / "parts") == ["step-000008", "step-000010"]


def test_a_damaged_checkpoint_is_put_aside_and_the_one_before_is_taken(case: Case):
    settings = ["--checkpoints.every", 2, "--checkpoints.keep", 3]
    whole = case.whole(*settings)
    assert case.stopped(7, *settings).code == 143
    folder = case.folder / "parts" / "checkpoints"
    assert checkpoints(case.folder / "parts") == ["step-000004", "step-000006", "step-000007"]
    (folder / "step-000007" / "MANIFEST.json").unlink()
    cut = folder / "step-000006" / "state.safetensors"
    cut.write_bytes(cut.read_bytes()[:-8])
    result = case.ftcore("resume", "parts")
    assert result.code == 0, result.err
    assert "the checkpoint step-000007 is damaged (MANIFEST.json: the file is missing" in result.err
    assert "the checkpoint step-000006 is damaged (state.safetensors has changed" in result.err
    assert outcome(case.folder / "parts") == whole
    assert checkpoints(case.folder / "parts") == [
        "damaged-step-000006", "damaged-step-000007", "step-000006", "step-000008", "step-000010",
    ]  # fmt: skip


# Judging on the way ---------------------------------------------------------------------------------------------------

ONCE = """
import os, signal
from pathlib import Path
from ftcore import EvaluatorSpec, Ref, hookimpl
from ftcore.types import Evaluation

@hookimpl
def ftcore_evaluators():
    yield EvaluatorSpec(name="once", summary="sends a signal when it judges for the nth time", metrics={"nth": "up"},
                        factory=Ref(__name__ + ":Once"))

class Once:
    times = 0

    def evaluate(self, session):
        Once.times += 1
        if Once.times == int(Path(__file__).with_suffix(".txt").read_text()):
            os.kill(os.getpid(), signal.SIGTERM)
        return Evaluation({"nth": 0.0})
"""


def judged_once(case: Case, nth: int) -> list[object]:
    """Three evaluators, of which the second sends a signal when it is asked for the nth time."""
    return [*plugin_file(case.folder, ONCE, nth), "--evaluators", "loss,once,samples"]


def test_judging_on_the_way_changes_no_loss(case: Case):
    whole = case.whole()
    (case.folder / "whole").rename(case.folder / "plain")
    judged = case.whole("--evaluate.every", 2)
    assert judged["steps"] == whole["steps"]
    assert judged["weights"] == whole["weights"]
    assert [line["step"] for line in judged["judged"]] == [0, 2, 4, 6, 8, 10]


@pytest.mark.parametrize(
    ("nth", "saved"),
    [(1, None), (3, "step-000004"), (6, "step-000010")],
    ids=["before-training", "during-training", "after-training"],
)
def test_a_signal_while_judging_loses_no_step(case: Case, nth: int, saved: str | None):
    whole = case.whole("--evaluate.every", 2, *judged_once(case, 99))
    stopped = case.ftcore("run", *case.line("--evaluate.every", 2, *judged_once(case, nth)), "--out", "parts")
    assert stopped.code == 143, stopped.err
    folder = case.folder / "parts"
    assert (checkpoints(folder) if saved else []) == ([saved] if saved else [])
    assert (folder / "checkpoints").exists() is bool(saved)
    result = case.ftcore("resume", "parts", *judged_once(case, 99)[:2])
    assert result.code == 0, result.err
    ended = outcome(folder)
    assert {**ended, "judged": None} == {**whole, "judged": None}
    missing = [line for line in whole["judged"] if line not in ended["judged"]]
    assert [line["step"] for line in missing] == ([4] if nth == 3 else []), "only what was interrupted is not judged"


def test_a_run_whose_last_step_is_done_trains_no_further(case: Case):
    """In the middle of an epoch transformers would take one more step."""
    line = ["--train.steps", 3]
    whole = case.whole(*line, *judged_once(case, 99))
    stopped = case.ftcore("run", *case.line(*line, *judged_once(case, 2)), "--out", "parts")
    assert stopped.code == 143
    result = case.ftcore("resume", "parts", *judged_once(case, 99)[:2])
    assert result.code == 0, result.err
    assert outcome(case.folder / "parts") == whole
    assert len(whole["steps"]) == 3


def test_a_second_signal_does_not_wait(case: Case):
    impatient = ONCE.replace("os.kill(os.getpid(), signal.SIGTERM)", "[os.kill(os.getpid(), 15) for _ in range(2)]")
    never = [*plugin_file(case.folder, impatient, 99), "--evaluators", "once"]
    whole = case.whole("--evaluate.every", 3, *never)
    plugin = plugin_file(case.folder, impatient, 3)
    stopped = case.ftcore("run", *case.line("--evaluate.every", 3, *plugin, "--evaluators", "once"), "--out", "parts")
    assert stopped.code == 143
    assert "try: ftcore resume parts" in stopped.err
    assert not (case.folder / "parts" / "checkpoints").exists(), "nothing was saved"
    plugin_file(case.folder, impatient, 99)
    result = case.ftcore("resume", "parts", *plugin)
    assert result.code == 0, result.err
    assert outcome(case.folder / "parts") == whole


def test_a_run_in_a_thread_leaves_signals_to_their_owner(case: Case):
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(case.ftcore("run", *case.line(), "--out", "run").code))
    thread.start()
    thread.join()
    assert codes == [0]


# While nothing trains -------------------------------------------------------------------------------------------------

AT_EVENT = """
import os, signal
from pathlib import Path
from ftcore import ReporterSpec, Ref, hookimpl
from ftcore.events import PhaseStarted

@hookimpl
def ftcore_reporters():
    yield ReporterSpec(name="killer", summary="sends a signal when a phase begins", factory=Ref(__name__ + ":Killer"))

class Killer:
    def handle(self, event):
        if isinstance(event, PhaseStarted) and event.title == Path(__file__).with_suffix(".txt").read_text():
            os.kill(os.getpid(), signal.SIGTERM)
"""


def killed_in(case: Case, title: str) -> list[object]:
    return [*plugin_file(case.folder, AT_EVENT, title), "--reporters", "metrics,killer"]


def test_a_signal_while_loading_leaves_nothing_behind(case: Case):
    result = case.ftcore("run", *case.line(*killed_in(case, "loading the model")), "--out", "parts")
    assert result.code == 143
    assert "interrupted" in result.err
    assert "resume" not in result.err
    assert not (case.folder / "parts").exists()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_signal_while_writing_the_artifact_leaves_no_half_of_it(case: Case):
    whole = case.whole("--reporters", "metrics")
    title = "writing the artifact"
    result = case.ftcore("run", *case.line(*killed_in(case, title)), "--out", "parts")
    assert result.code == 143
    assert "try: ftcore resume parts" in result.err
    assert not [path.name for path in (case.folder / "parts").iterdir() if "model" in path.name]
    assert case.ftcore("resume", "parts", *killed_in(case, "never")[:2]).code == 0
    assert outcome(case.folder / "parts") == whole


def test_seconds_of_a_step_do_not_hold_the_judging_before(case: Case):
    slow = plugin_file(case.folder, ONCE.replace("Once.times += 1", "import time; time.sleep(0.3)"), 99)
    result = case.ftcore("run", *case.line(*slow, "--evaluators", "once"), "--out", "run")
    assert result.code == 0, result.err
    report = json.loads((case.folder / "run" / "report.json").read_text())
    assert report["phases"]["judging before training"] >= 0.3
    assert report["training"]["seconds"] <= report["phases"]["training"]
