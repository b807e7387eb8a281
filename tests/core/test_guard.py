"""What may go wrong while a run trains: numbers, memory, disk, and whoever listens."""

from __future__ import annotations

import json
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ftcore.run import optimizers
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
    assert "resume" not in result.err, "the numbers would be the same"
    assert case.steps() == [1, 2], "what was trained can be looked at"
    assert not (case.folder / "run" / "checkpoints").exists()


def test_an_error_before_the_first_checkpoint_leaves_a_run_that_can_go_on(case: Case):
    what = "from ftcore.errors import PluginError\n"
    what += " " * 20 + "if Path(__file__).with_suffix('.txt').read_text(): raise PluginError('odd', fix='mend it')"
    result = case.failing(what, control="fail")
    assert result.code == 7
    plugin = plugin_file(case.folder, FAILING.format(what=what))
    assert result.err.splitlines()[-1] == f"  try: mend it, then: ftcore resume {plugin[0]} {plugin[1]} run"
    assert case.steps() == [1, 2]
    resumed = case.ftcore("resume", *plugin, "run")
    assert resumed.code == 0, resumed.err
    assert case.steps() == [1, 2, 3, 4, 5]


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


def test_another_runtime_error_is_a_bug_of_whoever_raised_it_and_goes_into_a_file(
    case: Case, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(case.folder))
    result = case.failing("raise RuntimeError('size mismatch')")
    assert result.code == 7
    assert "has a bug: RuntimeError: size mismatch" in result.err
    assert result.err.startswith(f"error: {case.folder}/plugin_")
    assert "Traceback" not in result.err
    [crash] = case.folder.glob("ftcore-crash-*.txt")
    assert str(crash) in result.err
    assert "Traceback" in crash.read_text()


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
    warning = "warning: the reporter Clumsy fails and is left out: ValueError: dropped the pen"
    assert result.err.splitlines() == [warning]
    assert case.steps() == [1, 2, 3, 4, 5]


def test_an_observer_that_fails_is_left_out_with_one_warning(case: Case):
    result = case.run(*plugin_file(case.folder, OBSERVER))
    assert result.code == 0
    assert result.err.count("warning:") == 1
    assert "ValueError: stumbled at step 1; the plugin is left out" in result.err
    assert case.steps() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("optimizer", "code", "words", "fix"),
    [
        ("adamw_torch_npu_fused", 5, "needs the package torch_npu, which is not installed", "pip install torch_npu"),
        ("galore_adamw", 2, "could not be resumed: it remembers projections as Python objects", "--method lisa"),
    ],
)
def test_an_optimizer_that_cannot_work_here_is_refused_on_the_plan(
    case: Case, optimizer: str, code: int, words: str, fix: str
):
    result = case.run("--train.optimizer", optimizer)
    assert result.code == code
    assert words in result.err
    assert fix in result.err
    assert not (case.folder / "run").exists()


def test_an_optimizer_that_does_not_exist_is_refused_on_the_plan(ftcore: Terminal):
    result = ftcore("plan", "--train.optimizer", "adamw_troch")
    assert result.code == 2
    assert "there is no optimizer 'adamw_troch' (did you mean 'adamw_torch'?)" in result.err


def test_the_optimizers_are_those_of_transformers():
    from transformers.training_args import OptimizerNames

    assert optimizers.known() == tuple(each.value for each in OptimizerNames)


# What a plugin gives back ---------------------------------------------------------------------------------------------

EXPORTER = """
from ftcore import ExporterSpec, Ref, hookimpl

@hookimpl
def ftcore_exporters():
    yield ExporterSpec(name="odd", summary="writes what cannot be used", factory=Ref(__name__ + ":Odd"))

class Odd:
    def export(self, session, folder):
        import torch
        from safetensors.torch import save_file

        {what}
        return []
"""


@pytest.mark.parametrize(
    ("what", "code", "words"),
    [
        ("pass", 7, "does not write what was trained: there is no adapter_model.safetensors"),
        ("save_file({'x': torch.tensor([1.0, float('nan')])}, folder / 'x.safetensors')", 4, "x holds NaN or infinity"),
        ("(folder / 'x.safetensors').write_bytes(b'half')", 4, "the tensors cannot be read"),
    ],
)
def test_an_artifact_is_named_only_when_it_can_be_used(case: Case, what: str, code: int, words: str):
    result = case.run(*plugin_file(case.folder, EXPORTER.format(what=what)), "--exporter", "odd")
    assert result.code == code
    assert words in result.err
    names = {path.name for path in (case.folder / "run").iterdir()}
    assert "checkpoints" in names, "what was learned is not lost"
    assert not [name for name in names if "model" in name or name == "report.json"]


METHOD = """
from ftcore import MethodSpec, Ref, hookimpl
from ftcore_plugins.full.method import Full

@hookimpl
def ftcore_tuning_methods():
    yield MethodSpec(name="idle", summary="trains nothing", trains_base=True, artifact="model", switchable=False,
                     factory=Ref(__name__ + ":Idle"), defaults={"learning_rate": 1e-3})

class Idle(Full):
    def __init__(self):
        pass

    def attach(self, model):
        return model.requires_grad_(False)
"""


def test_a_method_that_trains_nothing_is_refused(case: Case):
    result = case.run(*plugin_file(case.folder, METHOD), "--method", "idle")
    assert result.code == 7
    assert "the method 'idle' leaves no parameter to train" in result.err
    assert "model.layers.*.self_attn.q_proj.weight" in result.err
    assert "  try: ftcore explain idle" in result.err


def test_a_record_that_promises_what_the_class_lacks_is_refused(case: Case):
    lying = METHOD.replace("switchable=False,", "")
    result = case.run(*plugin_file(case.folder, lying), "--method", "idle")
    assert result.code == 7
    assert "the tuning method 'idle' lacks disabled\n  its record says switchable=True" in result.err
    assert not (case.folder / "run").exists()


LOADER = """
from ftcore import LoaderSpec, Ref, hookimpl
from ftcore_plugins.local.folder import Folder
from ftcore_plugins.local.config import FolderConfig

@hookimpl
def ftcore_model_loaders():
    yield LoaderSpec(name="huge", summary="does not fit", argument="path", factory=Ref(__name__ + ":Huge"),
                     config=Ref("ftcore_plugins.local.config:FolderConfig"))

class Huge(Folder):
    def model(self, **options):
        {what}
"""


@pytest.mark.parametrize(
    ("what", "code", "words"),
    [
        ("raise MemoryError('no room for 140 GB')", 5, "the model does not fit into memory: no room for 140 GB"),
        ("raise ValueError('rope_scaling is odd')", 4, "the model cannot be loaded: rope_scaling is odd"),
    ],
)
def test_a_model_that_does_not_load_leaves_no_folder(case: Case, what: str, code: int, words: str):
    result = case.run(*plugin_file(case.folder, LOADER.format(what=what)), "--model", f"huge:{case.tiny}")
    assert result.code == code
    assert words in result.err
    assert result.err.splitlines()[-1].startswith("  try: ")
    assert not (case.folder / "run").exists()


def test_a_run_without_held_out_rows_judges_nothing_and_says_so(case: Case):
    result = case.run("--evaluate.holdout", 0, "--evaluators", "loss", reporters="console,metrics")
    assert result.code == 0
    assert "warning: no row is held out" in result.err
    report = json.loads((case.folder / "run" / "report.json").read_text())
    assert report["before"] == report["after"] == {}


def test_a_base_model_without_a_template_gets_a_plain_one_that_is_kept(case: Case):
    from transformers import AutoTokenizer

    from ftcore.testing.tiny import save_tiny

    base = save_tiny(case.folder / "base")
    (base / "chat_template.jinja").unlink()
    result = case.run("--model", base, "--train.max_length", 600, reporters="console,metrics")
    assert result.code == 0, result.err
    assert "note: the model brings no chat template; a plain one is used and saved with the result" in result.err
    assert "train.max_length 600 is longer than the 512 tokens the model was made for" in result.err
    assert "### Response:" in AutoTokenizer.from_pretrained(case.folder / "run" / "model").chat_template
