"""The exporter, at the end of real runs of a tiny model."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from ftcore_plugins.safetensors.card import _local
from tests.conftest import echo_rows, write_rows


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs of this module are started."""
    return tmp_path_factory.mktemp("here")


def run(here: Path, model: Path, method: str) -> Path:
    """The folder of the artifact of a short run. The model and the rows are named by absolute paths."""
    from ftcore.cli.main import main

    rows, out = write_rows(here / "rows.jsonl", echo_rows()), here / f"{method}-{model.name}"
    few = ["--train.steps", "2", "--evaluate.max_new_tokens", "4", "--evaluate.generate", "2", "--method.rank", "4"]
    arguments = ["run", "--model", model, "--data", rows, "--method", method, "--exporter", "safetensors", "--out", out]
    with contextlib.chdir(here):
        assert main([*map(str, arguments), *few[: 8 if method == "lora" else 6]]) == 0
    return out / "model"


@pytest.fixture(scope="module")
def lora(here: Path, tiny: Path) -> Path:
    return run(here, tiny, "lora")


@pytest.fixture(scope="module")
def full(here: Path, tiny: Path) -> Path:
    return run(here, tiny, "full")


def front_matter(folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])


def test_no_file_names_a_folder_of_this_machine(lora: Path, full: Path, tiny: Path, here: Path) -> None:
    for file in [*lora.iterdir(), *full.iterdir()]:
        content = file.read_bytes()
        for path in (tiny, here, Path.cwd(), Path.home()):
            assert str(path).encode() not in content, f"{file.name} holds {path}"


def test_only_tensors_json_and_text_are_written(lora: Path, full: Path) -> None:
    endings = {file.suffix for file in [*lora.iterdir(), *full.iterdir()]}
    assert endings <= {".safetensors", ".json", ".jinja", ".md"}


def test_an_adapter_loads_onto_its_base_and_names_it(lora: Path, tiny: Path, here: Path) -> None:
    import peft
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = lora
    base = json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"]
    assert (here / base).resolve() == tiny.resolve()
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    plain = model(torch.tensor([[5, 6, 7]])).logits.clone()
    tuned = peft.PeftModel.from_pretrained(model, folder)
    assert not torch.equal(tuned(torch.tensor([[5, 6, 7]])).logits, plain)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.chat_template == AutoTokenizer.from_pretrained(tiny).chat_template


def test_a_whole_model_loads_alone_with_its_generation_settings(full: Path) -> None:
    from transformers import AutoModelForCausalLM, GenerationConfig

    assert AutoModelForCausalLM.from_pretrained(full, use_safetensors=True).config.model_type == "llama"
    assert GenerationConfig.from_pretrained(full).eos_token_id == 2
    assert front_matter(full)["library_name"] == "transformers"


def test_generation_settings_end_where_training_ended_turns(here: Path, tiny: Path) -> None:
    """A base model whose end-of-text token is not the end of a turn would otherwise write on and on."""
    base = Path(shutil.copytree(tiny, here / "base"))
    for name, key, value in (
        ("generation_config.json", "eos_token_id", 0),
        ("tokenizer_config.json", "eos_token", "<|endoftext|>"),
    ):
        values = json.loads((base / name).read_text()) | {key: value}
        (base / name).write_text(json.dumps(values))
    folder = run(here, base, "lora")
    assert json.loads((folder / "generation_config.json").read_text())["eos_token_id"] == [0, 2]


def test_the_card_says_what_was_done(lora: Path, tiny: Path) -> None:
    card = (lora / "README.md").read_text()
    meta = front_matter(lora)
    assert meta["library_name"] == "peft"
    assert meta["tags"] == ["ftcore", "lora", "sft"]
    assert "base_model" not in meta  # a path is none on the hub
    assert f"`./{tiny.name}`, a folder on the machine of the run" in card
    assert f'from_pretrained("./{tiny.name}")' in card
    assert "../" not in card, "readers do not stand where the run was started"
    assert "| method.rank | 4 |" in card
    assert "`rows.jsonl`" in card
    assert re.search(r"Trained on \d+ of \d+ rows; \d+ were held out\.", card)


def test_the_card_shows_the_numbers_before_and_after(lora: Path) -> None:
    report = json.loads((lora.parent / "report.json").read_text())
    before, after = report["before"]["loss"]["loss"], report["after"]["loss"]["loss"]
    assert f"| loss | {before:.4g} | {after:.4g} |" in (lora / "README.md").read_text()


@pytest.mark.parametrize(
    ("text", "shown"),
    [("/home/me/data/rows.jsonl", "rows.jsonl"), ("~/rows.jsonl", "rows.jsonl"), ("C:\\data\\rows.jsonl", "rows.jsonl"),
     ("data/rows.jsonl", "data/rows.jsonl"), ("q_proj", "q_proj")],
)  # fmt: skip
def test_paths_are_shown_without_the_folders_above_them(text: str, shown: str) -> None:
    assert _local(text) == shown
