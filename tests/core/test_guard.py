"""What may go wrong while a run trains: numbers, memory, disk, and whoever listens."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import Result, Terminal, echo_rows, write_rows
from tests.core.test_resume import plugin_file

FAILING = """
from pathlib import Path
from ftcore import Ref, StrategySpec, hookimpl

@hookimpl
def ftcore_alignment_strategies():
    yield StrategySpec(name="failing", summary="goes wrong at step 3", examples=("chat",),
                       factory=Ref(__name__ + ":Failing"))

class Failing:
    def trainer(self, session):
        import torch
        from trl import SFTConfig, SFTTrainer

        class Trainer(SFTTrainer):
            def compute_loss(self, *args, **kwargs):
                loss = super().compute_loss(*args, **kwargs)
                if self.state.global_step == 2:
                    {what}
                return loss

        arguments = SFTConfig(**session.arguments(), dataset_kwargs={{"skip_prepare_dataset": True}})
        return session.guarded(Trainer)(model=session.model, args=arguments, train_dataset=session.data.train,
                                        eval_dataset=session.data.heldout, processing_class=session.tokenizer)
"""


class Case:
    def __init__(self, ftcore: Terminal, tiny: Path, folder: Path) -> None:
        self.ftcore, self.tiny, self.folder = ftcore, tiny, folder
        self.rows = write_rows(folder / "rows.jsonl", echo_rows(24))

    def run(self, *more: object, reporters: str = "metrics") -> Result:
        return self.ftcore(
            "run", "--model", self.tiny, "--data", self.rows, "--backend", "cpu", "--backend.precision", "fp32",
            "--train.steps", 5, "--train.batch_size", 4, "--train.max_length", 256, "--evaluators", "none",
            "--reporters", reporters, "--out", "run", *more,
        )  # fmt: skip

    def failing(self, what: str, *more: object, control: object = "") -> Result:
        return self.run(*plugin_file(self.folder, FAILING.format(what=what), control), "--strategy", "failing", *more)

    def steps(self) -> list[int]:
        lines = (self.folder / "run" / "metrics.jsonl").read_text().splitlines()
        return [record["step"] for record in map(json.loads, lines) if "loss" in record]


@pytest.fixture
def case(ftcore: Terminal, tiny: Path, tmp_path: Path) -> Case:
    return Case(ftcore, tiny, tmp_path)


def test_a_loss_that_is_no_number_stops_the_run_before_the_weights_take_it(case: Case):
    what = "loss = loss * float(Path(__file__).with_suffix('.txt').read_text())"
    result = case.failing(what, "--checkpoints.every", 1, control="nan")
    assert result.code == 6
    assert "the loss is nan at step 3" in result.err
    assert "the weights of the last checkpoint are untouched" in result.err
    assert "  try: --train.learning_rate 5e-05" in result.err
    assert case.steps() == [1, 2]
    folder = case.folder / "run" / "checkpoints"
    assert sorted(path.name for path in folder.iterdir()) == ["step-000001", "step-000002"]
    assert not (case.folder / "run" / "model").exists()
    # What was saved is whole: the run goes on from it to the end.
    resumed = case.ftcore("resume", "run", *plugin_file(case.folder, FAILING.format(what=what), "1"))
    assert resumed.code == 0, resumed.err
    assert case.steps() == [1, 2, 3, 4, 5]


def test_an_infinite_gradient_stops_the_run_too(case: Case):
    result = case.failing("loss = loss + (loss - loss.detach()) * float('inf')", "--train.max_grad_norm", 0)
    assert result.code == 6
    assert "the loss is nan" in result.err or "the gradient norm is" in result.err
    assert "untouched" not in result.err, "there is no checkpoint that could be untouched"
    assert not (case.folder / "run").exists()


def test_a_loss_that_is_no_number_from_the_start_is_not_blamed_on_the_learning_rate(case: Case):
    from safetensors.torch import load_file, save_file

    from ftcore.testing.tiny import save_tiny

    broken = save_tiny(case.folder / "broken")
    tensors = load_file(broken / "model.safetensors")
    save_file({name: t * float("nan") for name, t in tensors.items()}, broken / "model.safetensors", {"format": "pt"})
    result = case.run("--model", broken)
    assert result.code == 6
    assert "the loss is nan at step 1" in result.err
    assert "it comes from the model, its precision or the data" in result.err


@pytest.mark.parametrize(
    "what",
    [
        "raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB.\\nSee documentation')",
        "raise MemoryError()",
        "torch.empty(1 << 60)",
    ],
    ids=["torch", "python", "allocator"],
)
def test_memory_that_runs_out_says_what_to_make_smaller(case: Case, what: str):
    result = case.failing(what)
    assert result.code == 5
    assert "memory ran out after step 2" in result.err
    assert "  try: --train.micro_batch_size 2" in result.err
    assert len(result.err.splitlines()) <= 6


def test_another_runtime_error_is_not_taken_for_memory(case: Case):
    result = case.failing("raise RuntimeError('size mismatch')")
    assert result.code == 1
    assert "ftcore has a bug: RuntimeError: size mismatch" in result.err


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_no_half_checkpoint_and_the_run_goes_on_when_there_is_room(case: Case):
    with files_no_larger_than(100_000):  # an adapter has 130 kB
        result = case.run("--checkpoints.every", 2)
    assert result.code == 5
    assert "the disk does not take the run's files: File too large" in result.err
    assert "  try: make room, then: ftcore resume run" in result.err
    assert list((case.folder / "run" / "checkpoints").iterdir()) == []
    resumed = case.ftcore("resume", "run")
    assert resumed.code == 0, resumed.err
    assert case.steps() == [1, 2, 3, 4, 5]


LISTENER = """
from ftcore import Ref, ReporterSpec, hookimpl
from ftcore.events import StepDone

@hookimpl
def ftcore_reporters():
    yield ReporterSpec(name="clumsy", summary="fails at every step", factory=Ref(__name__ + ":Clumsy"))

class Clumsy:
    def handle(self, event):
        if isinstance(event, StepDone):
            raise ValueError("dropped the pen")
"""
OBSERVER = """
from ftcore import hookimpl

@hookimpl
def ftcore_after_step(event):
    raise ValueError(f"stumbled at step {event.step}")
"""


def test_a_reporter_that_fails_is_left_out_with_one_warning(case: Case):
    result = case.run(*plugin_file(case.folder, LISTENER), reporters="metrics,clumsy")
    assert result.code == 0
    assert result.err.splitlines() == ["warning: the reporter Clumsy fails and is left out: dropped the pen"]
    assert case.steps() == [1, 2, 3, 4, 5]


def test_an_observer_that_fails_is_left_out_with_one_warning(case: Case):
    result = case.run(*plugin_file(case.folder, OBSERVER))
    assert result.code == 0
    assert result.err.count("warning:") == 1
    assert "ValueError: stumbled at step 1; the plugin is left out" in result.err
    assert case.steps() == [1, 2, 3, 4, 5]


def test_an_optimizer_that_is_not_installed_is_named(case: Case):
    result = case.run("--train.optimizer", "apollo_adamw")
    assert result.code == 5
    assert "the optimizer 'apollo_adamw' cannot be made here" in result.err
    assert "  try: --train.optimizer adamw_torch" in result.err


def test_an_optimizer_that_does_not_exist_is_refused_before_anything_is_read(case: Case):
    result = case.run("--train.optimizer", "adamw_troch")
    assert result.code == 2
    assert "there is no optimizer 'adamw_troch' (did you mean 'adamw_torch'?)" in result.err
    assert not (case.folder / "run").exists()
