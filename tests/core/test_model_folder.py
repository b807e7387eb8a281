"""Every command that reads a model looks at its folder first, and takes only weights that are all there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from ftcore.errors import ModelError
from ftcore.run.folder import manifest, write_json
from ftcore.run.model_folder import load_model
from tests.conftest import Terminal, write_rows

HOSTILE = [
    ("config.json", {"auto_map": {"AutoModelForCausalLM": "evil.Model"}}),
    ("config.json", {"_attn_implementation_internal": "evilorg/kernel"}),
    ("config.json", {"attn_implementation": "evilorg/kernel"}),
    ("config.json", {"trust_remote_code": True}),
    ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]}}),
]


def poison(folder: Path, name: str, keys: dict[str, Any]) -> None:
    """As a sender would: the file is changed, and the manifest agrees."""
    value = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**value, **keys}))
    if (folder / "MANIFEST.json").is_file():
        write_json(folder / "MANIFEST.json", {"files": manifest(folder)})


def tuned(ftcore: Terminal, model: Path, rows: Path, out: str, *more: str) -> Path:
    line = f"run --model {model} --data {rows} --train.steps 1 --evaluators none --out {out}"
    done = ftcore(*line.split(), *more)
    assert done.code == 0, done.err
    return rows.with_name(out)


@pytest.mark.parametrize(("name", "keys"), HOSTILE, ids=lambda value: str(value)[:40])
def test_no_command_takes_a_whole_model_that_names_code(ftcore: Terminal, tiny: Path, rows: Path, name: str, keys):
    run = tuned(ftcore, tiny, rows, "run", "--method", "full")
    asked = write_rows(rows.with_name("asked.jsonl"), [{"prompt": "say a"}])
    poison(run / "model", name, keys)
    for line in (
        "chat run --prompt a",
        f"sample run --data {asked} --out answered.jsonl",
        f"plan --model ./run --data {rows}",
        f"run --model ./run --data {rows} --out next",
        f"plan --model ./run/model --data {rows}",
    ):
        refused = ftcore(*line.split())
        assert refused.code == 8, (line, refused.err)
        assert f"needs code from the model's author ({name}: {next(iter(keys))}" in refused.err, line


@pytest.mark.parametrize(("name", "keys"), HOSTILE[:2], ids=lambda value: str(value)[:40])
def test_no_command_takes_an_adapter_whose_base_names_code(
    ftcore: Terminal, tiny: Path, rows: Path, tmp_path: Path, name: str, keys
):
    shutil.copytree(tiny, tmp_path / "base")
    tuned(ftcore, tmp_path / "base", rows, "run", "--method", "lora")
    poison(tmp_path / "base", name, keys)
    for line in ("chat run --prompt a", "merge run", f"plan --model ./run --data {rows}"):
        refused = ftcore(*line.split())
        assert refused.code == 8, (line, refused.err)
        assert "needs code from the model's author" in refused.err


@pytest.mark.parametrize(("name", "keys"), HOSTILE[:3], ids=lambda value: str(value)[:40])
def test_no_run_asks_a_reward_model_that_names_code(ftcore: Terminal, tiny: Path, rows: Path, name: str, keys):
    pairs = [{"prompt": f"say {n}", "chosen": f"a {n}", "rejected": f"b {n}"} for n in range(12)]
    judge = tuned(
        ftcore,
        tiny,
        write_rows(rows.with_name("pairs.jsonl"), pairs),
        "judge",
        "--method",
        "full",
        "--strategy",
        "reward",
    )
    poison(judge / "model", name, keys)
    refused = ftcore(
        *f"run --model {tiny} --data {rows} --train.steps 1 --out out".split(),
        *["--evaluators", "rewards", "--rewards", "model", "--rewards.run", "judge"],
    )
    assert refused.code == 8, refused.err
    assert "needs code from the model's author" in refused.err


def reweighed(tiny: Path, folder: Path, change: Any) -> Path:
    shutil.copytree(tiny, folder)
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _rename_all(tensors: dict[str, Any]) -> None:
    for name in list(tensors):
        tensors[f"other.{name}"] = tensors.pop(name)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda t: t.pop("model.norm.weight"), "not there: model.norm.weight"),
        (lambda t: [t.pop(name) for name in list(t) if ".layers.1.mlp." in name], "not there: model.layers.1.mlp"),
        (_rename_all, "there, and unknown to the architecture: other."),
        (lambda t: t.update(extra=t["model.norm.weight"].clone()), "there, and unknown to the architecture: extra"),
    ],
    ids=["a norm", "an mlp", "all other names", "one too many"],
)
@pytest.mark.parametrize("method", ["lora", "full"])
def test_weights_that_would_be_drawn_at_random_are_refused(
    ftcore: Terminal, tiny: Path, rows: Path, tmp_path: Path, change: Any, named: str, method: str
):
    model = reweighed(tiny, tmp_path / "broken", change)
    refused = ftcore(*f"run --model {model} --data {rows} --method {method} --out out".split())
    assert refused.code == 4, refused.err
    assert "the weights are not those of the architecture that config.json names" in refused.err
    assert named in refused.err
    assert not (tmp_path / "out").exists()


def test_the_config_of_another_architecture_is_refused(ftcore: Terminal, tiny: Path, rows: Path, tmp_path: Path):
    model = reweighed(tiny, tmp_path / "broken", lambda _: None)
    poison(model, "config.json", {"architectures": ["GPTNeoXForCausalLM"], "model_type": "gpt_neox"})
    refused = ftcore(*f"run --model {model} --data {rows} --out out".split())
    assert refused.code == 4, refused.err
    assert "not those of the architecture" in refused.err


def test_a_tied_head_is_neither_missing_nor_too_much(tmp_path: Path):
    """Written once, as transformers does, or twice, as some do."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from ftcore.testing.tiny import tiny_tokenizer

    config = LlamaConfig(vocab_size=300, hidden_size=16, intermediate_size=32, num_hidden_layers=1,
                         num_attention_heads=2, num_key_value_heads=2, tie_word_embeddings=True)  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    assert "lm_head.weight" not in tensors
    assert load_model(tmp_path, "tied").lm_head.weight.shape == (300, 16)
    save_file({**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"].clone()},
              tmp_path / "model.safetensors", metadata={"format": "pt"})  # fmt: skip
    load_model(tmp_path, "tied")
    tensors.pop("model.embed_tokens.weight")
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="not those of the architecture"):
        load_model(tmp_path, "tied")
