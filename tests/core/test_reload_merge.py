"""A finished run as a model again: it answers as it did when it was trained, beside its base or folded into it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from ftcore.errors import FtcoreError, ModelError, PluginError, UsageError
from ftcore.manager import PluginManager
from ftcore.run import merge as merging
from ftcore.run.merge import merge
from ftcore.run.reload import reload
from ftcore.testing.probes import logits, plain_logits
from ftcore.testing.tiny import save_tiny
from tests.conftest import Terminal, echo_rows, write_rows
from tests.core.test_resume import plugin_file

MANAGER = PluginManager.discover()


@pytest.fixture
def finished(ftcore: Terminal, tmp_path: Path) -> Any:
    """Train for three steps on a base model of the test's own, and give the folder of the run."""
    save_tiny(tmp_path / "base")
    write_rows(tmp_path / "rows.jsonl", echo_rows(24))

    def train(*more: object, name: str = "run") -> Path:
        result = ftcore(
            "run", "--model", "./base", "--data", "rows.jsonl", "--backend", "cpu", "--backend.precision", "fp32",
            "--train.steps", 3, "--train.batch_size", 4, "--train.max_length", 256, "--train.learning_rate", 0.01,
            "--evaluators", "none", "--reporters", "metrics", "--out", name, *more,
        )  # fmt: skip
        assert result.code == 0, result.err
        return tmp_path / name

    return train


def loaded(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_run_comes_back_as_the_ecosystem_would_load_it(finished: Any, tmp_path: Path, method: str):
    run = finished("--method", method)
    tuned = reload(run, MANAGER)
    assert not tuned.model.training
    if method == "lora":
        from peft import PeftModel

        theirs = PeftModel.from_pretrained(loaded(tmp_path / "base"), run / "model")
    else:
        theirs = loaded(run / "model")
    torch.testing.assert_close(logits(tuned.model), logits(theirs), rtol=0, atol=1e-5)
    assert (logits(tuned.model) - plain_logits(loaded(tmp_path / "base"))).abs().max() > 0.01, "it has learned"
    assert tuned.tokenizer.chat_template


def test_a_merged_model_needs_nobody_and_answers_alike(finished: Any, tmp_path: Path):
    run = finished()
    difference = merge(run, tmp_path / "merged", MANAGER)
    assert 0 <= difference <= merging.TOLERANCE
    tuned = reload(run, MANAGER)
    shutil.rmtree(tmp_path / "base")
    shutil.rmtree(run)
    torch.testing.assert_close(logits(loaded(tmp_path / "merged")), logits(tuned.model), rtol=0, atol=1e-4)
    assert not (tmp_path / "merged" / "adapter_config.json").exists()
    manifest = json.loads((tmp_path / "merged" / "MANIFEST.json").read_text())
    assert "model.safetensors" in {entry["name"] for entry in manifest["files"]}


def test_a_merged_model_is_written_in_the_precision_that_was_asked_for(finished: Any, tmp_path: Path):
    merge(finished(), tmp_path / "half", MANAGER, "bfloat16")
    from safetensors.torch import load_file

    assert {tensor.dtype for tensor in load_file(tmp_path / "half" / "model.safetensors").values()} == {torch.bfloat16}


def test_a_base_model_that_has_changed_is_not_merged_with(finished: Any, tmp_path: Path):
    run = finished()
    save_tiny(tmp_path / "base", seed=1)
    with pytest.raises(ModelError, match="the base model has changed since the run") as error:
        merge(run, tmp_path / "merged", MANAGER)
    assert str(error.value.fix).startswith("train it anew: ftcore run ")
    assert not (tmp_path / "merged").exists()


def test_a_merge_that_changes_the_answers_is_not_written(
    finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = finished()
    monkeypatch.setattr(merging, "TOLERANCE", -1.0)
    with pytest.raises(ModelError, match="the merged model differs from the adapter by"):
        merge(run, tmp_path / "merged", MANAGER)
    assert not (tmp_path / "merged").exists()


def test_a_whole_model_has_nothing_to_merge(finished: Any, tmp_path: Path):
    with pytest.raises(UsageError, match="there is nothing to merge: the result of 'full' is a whole model already"):
        merge(finished("--method", "full"), tmp_path / "merged", MANAGER)


def test_a_method_that_cannot_be_folded_in_says_so_before_anything_loads(
    finished: Any, tmp_path: Path, monkeypatch: Any
):
    run = finished("--method", "adapter")
    monkeypatch.setattr(merging, "reload", None)
    with pytest.raises(UsageError, match="cannot be folded into the base model") as error:
        merge(run, tmp_path / "merged", MANAGER)
    assert error.value.fix == f"use it beside its base: ftcore chat {run}"


def no_model(run: Path) -> None:
    shutil.rmtree(run / "model")


def no_run_file(run: Path) -> None:
    (run / "run.yaml").unlink()


def no_manifest(run: Path) -> None:
    (run / "model" / "MANIFEST.json").unlink()


def a_strange_manifest(run: Path) -> None:
    (run / "model" / "MANIFEST.json").write_text("{}")


def another_adapter(run: Path) -> None:
    """With a manifest that fits it, so that only its shapes are wrong."""
    from safetensors.torch import load_file, save_file

    from ftcore.run.folder import manifest, write_json

    path = run / "model" / "adapter_model.safetensors"
    tensors = load_file(path)
    name = next(iter(tensors))
    save_file({**tensors, name: torch.zeros(1)}, path)
    write_json(run / "model" / "MANIFEST.json", {"files": manifest(run / "model")})


@pytest.mark.parametrize(
    ("damage", "kind", "message"),
    [
        (no_model, ModelError, "the artifact .*model is missing"),
        (no_run_file, UsageError, "this is not the folder of a run"),
        (no_manifest, ModelError, "the artifact is not as the run wrote it"),
        (a_strange_manifest, ModelError, "the artifact is not as the run wrote it"),
        (another_adapter, ModelError, "the adapter does not fit the model"),
    ],
)
def test_what_is_not_a_whole_run_is_not_loaded(finished: Any, damage: Any, kind: type[FtcoreError], message: str):
    run = finished()
    damage(run)
    with pytest.raises(kind, match=message) as error:
        reload(run, MANAGER)
    assert error.value.exit_code == kind.exit_code


def test_a_run_names_the_plugin_that_it_misses(finished: Any, tmp_path: Path):
    mine = (
        "from ftcore import MethodSpec, Ref, hookimpl\n@hookimpl\ndef ftcore_tuning_methods():\n"
        '    yield MethodSpec(name="mine", summary="s", factory=Ref("ftcore_plugins.lora.method:Lora"),\n'
        '                     config=Ref("ftcore_plugins.lora.config:LoraConfig"), defaults={"learning_rate": 1e-3})\n'
    )
    run = finished(*plugin_file(tmp_path, mine), "--method", "mine")
    with pytest.raises(PluginError, match="the run used the plugin file:plugin_"):
        reload(run, MANAGER)
    [_, path] = plugin_file(tmp_path, mine)
    assert reload(run, PluginManager.discover([str(path)])).plan.method.spec.name == "mine"
