"""A checkpoint holds all that a run needs to go on, in safetensors and JSON, and is complete or absent."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ftcore.errors import ModelError
from ftcore.run import checkpoint
from ftcore.run.folder import read_json
from ftcore.testing.probes import batch
from ftcore.testing.tiny import tiny_model


class Rows(torch.utils.data.Dataset[dict[str, Any]]):
    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {name: tensor[index % 2] for name, tensor in batch().items()}


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """transformers' own trainer after two steps of AdamW."""
    from transformers import Trainer, TrainingArguments

    arguments = TrainingArguments(
        output_dir=str(tmp_path_factory.mktemp("out")), max_steps=2, per_device_train_batch_size=2,
        save_strategy="no", use_cpu=True, report_to=[], disable_tqdm=True, lr_scheduler_type="cosine",
    )  # fmt: skip
    made = Trainer(tiny_model(), arguments, train_dataset=Rows())
    made.train()
    return made


@pytest.fixture
def at(trainer: Any, tmp_path: Path) -> Callable[..., Path]:
    """Write a checkpoint as if the trainer stood at some step."""

    def write(step: int, keep: int = 2) -> Path:
        trainer.state.global_step = step
        return checkpoint.write(trainer, trainer.model.state_dict(), tmp_path / "checkpoints", keep)

    return write


def names(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").iterdir())


def test_the_optimizer_comes_back_bit_by_bit(trainer: Any, at: Callable[..., Path]):
    folder, state = at(2), trainer.optimizer.state_dict()
    read = checkpoint.read_optimizer(folder)
    assert read["param_groups"] == state["param_groups"]
    assert {key: values.keys() for key, values in read["state"].items()} == {
        key: values.keys() for key, values in state["state"].items()
    }
    for parameter, values in state["state"].items():
        for name, value in values.items():
            assert torch.equal(torch.as_tensor(read["state"][parameter][name]), torch.as_tensor(value))
    trainer.optimizer.load_state_dict(read)


def test_the_schedule_and_the_trainers_own_state_come_back(trainer: Any, at: Callable[..., Path]):
    from transformers import TrainerState

    folder = at(2)
    assert read_json(folder / "scheduler.json") == trainer.lr_scheduler.state_dict()
    assert TrainerState.load_from_json(str(folder / checkpoint.TRAINER_STATE)).global_step == 2


def test_the_weights_come_back_though_they_share_memory(trainer: Any, at: Callable[..., Path]):
    read = checkpoint.load_tensors(at(2) / checkpoint.STATE)
    state = trainer.model.state_dict()
    assert read.keys() == state.keys()
    assert state["lm_head.weight"].data_ptr() == state["model.embed_tokens.weight"].data_ptr(), "the head is tied"
    assert all(torch.equal(read[name], state[name]) for name in state)


def test_the_scale_of_half_precision_is_kept(trainer: Any, at: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
    assert not (at(2) / checkpoint.SCALER).exists()
    monkeypatch.setattr(trainer.accelerator, "scaler", torch.amp.GradScaler("cpu", init_scale=1024.0))
    assert read_json(at(3) / checkpoint.SCALER) == trainer.accelerator.scaler.state_dict()


def draw() -> list[float]:
    return [random.random(), random.gauss(0, 1), float(np.random.rand()), float(torch.rand(()))]


def test_all_random_generators_come_back(at: Callable[..., Path]):
    random.gauss(0, 1)  # Python keeps the other half of a pair
    folder = at(2)
    first = draw()
    draw()
    checkpoint.restore_rng(read_json(folder / "rng.json"))
    assert draw() == first


def test_it_holds_no_pickle_and_a_manifest_of_every_file(at: Callable[..., Path]):
    folder = at(2)
    files = {path.name for path in folder.iterdir()}
    assert {Path(name).suffix for name in files} == {".json", ".safetensors"}
    manifest = read_json(folder / "MANIFEST.json")
    assert manifest["step"] == 2
    assert {entry["name"] for entry in manifest["files"]} == files - {"MANIFEST.json"}


def test_only_the_newest_are_kept_by_number(at: Callable[..., Path], tmp_path: Path):
    for step in (999_998, 999_999, 1_000_000):
        at(step)
    assert names(tmp_path) == ["step-1000000", "step-999999"]
    assert checkpoint.newest(tmp_path) == tmp_path / "checkpoints" / "step-1000000"


@pytest.mark.parametrize("failing", ["save_tensors", "write_json", "manifest", "_sync"])
def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(
    at: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
):
    at(1)

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, failing, fail)
        with pytest.raises(OSError, match="No space left"):
            at(2)
    assert names(tmp_path) == ["step-000001"]
    assert checkpoint.newest(tmp_path) == tmp_path / "checkpoints" / "step-000001"


def test_what_a_killed_run_left_half_written_is_cleared_away(at: Callable[..., Path], tmp_path: Path):
    half = tmp_path / "checkpoints" / ".tmp-step-000001"
    half.mkdir(parents=True)
    (half / "state.safetensors").write_bytes(b"half")
    assert checkpoint.newest(tmp_path) is None
    at(2)
    assert names(tmp_path) == ["step-000002"]


def test_a_step_that_is_written_again_replaces_the_old(at: Callable[..., Path], tmp_path: Path):
    (at(2) / "rng.json").write_text("{}")
    at(2)
    assert checkpoint.newest(tmp_path) == tmp_path / "checkpoints" / "step-000002"
    assert names(tmp_path) == ["step-000002"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_damaged_file_of_any_kind_sends_back_to_the_checkpoint_before(
    at: Callable[..., Path], tmp_path: Path, damage: Callable[[Path], object]
):
    good, bad = at(1), at(2)
    whole = tmp_path / "whole"
    shutil.copytree(bad, whole)
    for name in sorted(path.name for path in whole.iterdir()):
        if name == "MANIFEST.json" and damage is flip:
            continue  # where the bit stands decides whether it means anything
        shutil.rmtree(bad, ignore_errors=True)
        shutil.copytree(whole, bad)
        damage(bad / name)
        said: list[str] = []
        assert checkpoint.newest(tmp_path, said.append) == good, name
        assert len(said) == 1
        assert said[0].startswith("the checkpoint step-000002 is damaged (")
        assert (tmp_path / "checkpoints" / "damaged-step-000002").is_dir()


@pytest.mark.parametrize("text", ["{}", "[]", "3", '{"files": null}', '{"files": [{}]}', '{"files": ["x"]}'])
def test_a_manifest_of_somebody_else_is_damage_too(at: Callable[..., Path], tmp_path: Path, text: str):
    good, bad = at(1), at(2)
    (bad / "MANIFEST.json").write_text(text)
    assert checkpoint.newest(tmp_path) == good


def test_when_all_are_damaged_nothing_is_touched_and_every_one_is_named(at: Callable[..., Path], tmp_path: Path):
    for step in (1, 2):
        cut(at(step) / "rng.json")
    with pytest.raises(ModelError, match="no checkpoint of this run is intact") as error:
        checkpoint.newest(tmp_path)
    assert [line.partition(":")[0] for line in error.value.more] == ["step-000002", "step-000001"]
    assert str(error.value.fix).startswith("start anew: ftcore run ")
    assert names(tmp_path) == ["step-000001", "step-000002"]


def test_a_run_without_checkpoints_has_no_newest(tmp_path: Path):
    assert checkpoint.newest(tmp_path) is None


def test_tensors_that_cannot_be_read_are_a_model_error(tmp_path: Path):
    (tmp_path / "x.safetensors").write_bytes(b"not tensors")
    with pytest.raises(ModelError, match="the tensors cannot be read"):
        checkpoint.load_tensors(tmp_path / "x.safetensors")
