"""Models, backends and plugins that cannot be used say why before anything trains."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.refusals import MODEL, PLUGIN, POLICY, RESOURCE, Try, refused
from tests.conftest import Result, Terminal, write_rows
from tests.core.test_resume import plugin_file


def only_pickle(folder: Path) -> None:
    import torch

    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def pointer(folder: Path) -> None:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
    (folder / "model.safetensors").write_text(text)


def no_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / name).unlink(missing_ok=True)


def an_adapter(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "../tiny"}')


def needs_code(folder: Path) -> None:
    changed(folder, auto_map={"AutoModelForCausalLM": "model.Mine"})


def other_sizes(folder: Path) -> None:
    changed(folder, hidden_size=128)


def half(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])


def changed(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("break_it", "code", "words"),
    [
        (only_pickle, POLICY, ["only as a pickle (pytorch_model.bin)", "save_pretrained"]),
        (pointer, MODEL, ["model.safetensors is a git-lfs pointer", "try: git lfs pull"]),
        (half, MODEL, ["model.safetensors is cut short"]),
        (no_tokenizer, MODEL, ["holds no tokenizer (looked for tokenizer.json"]),
        (an_adapter, MODEL, ["is an adapter, not a model; its base model is ../tiny", "try: --model ../tiny"]),
        (needs_code, POLICY, ["needs code from the model's author (config.json: auto_map)"]),
        (other_sizes, MODEL, ["its weights have other shapes than config.json says"]),
    ],
)
def test_a_model_folder_that_cannot_be_used_says_why(
    attempt: Try, tiny: Path, tmp_path: Path, break_it: Callable[[Path], None], code: int, words: list[str]
):
    shutil.copytree(tiny, tmp_path / "broken")
    break_it(tmp_path / "broken")
    refused(attempt("--out", "run", model="./broken"), code, *words)
    assert not (tmp_path / "run").exists()


def test_a_model_folder_that_is_not_there(attempt: Try):
    refused(attempt(model="./absent"), MODEL, "there is no folder ./absent", "try: --model PATH/TO/FOLDER")


def test_a_tokenizer_of_another_model_is_noticed_before_training(attempt: Try, tiny: Path, tmp_path: Path):
    shutil.copytree(tiny, tmp_path / "mixed")
    path = tmp_path / "mixed" / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    tokenizer["added_tokens"].append({"id": 259, "content": "<|new|>", "special": True, **flags})
    path.write_text(json.dumps(tokenizer))
    assert attempt(model="./mixed").code == 0, "as long as no row uses it"
    write_rows(tmp_path / "new.jsonl", [{"prompt": f"<|new|> {n}", "completion": "x"} for n in range(9)])
    result = attempt("--out", "run", model="./mixed", data="new.jsonl")
    refused_in(tmp_path / "run", result, MODEL, "the rows hold the token 259, but the model has 259 embeddings")


def refused_in(folder: Path, result: Result, code: int, *words: str) -> None:
    """As `refused`, where an earlier run of the same test stands beside."""
    assert result.code == code, result.err
    assert len(result.err.splitlines()) <= 6
    assert result.err.splitlines()[-1].startswith("  try: ")
    for word in words:
        assert word in result.err
    assert not folder.exists()


def test_a_backend_without_its_device(attempt: Try):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    refused(attempt("--backend", "cuda"), RESOURCE, "the backend 'cuda' is not usable here", "try: --backend auto")


NEEDY = """
from ftcore import MethodSpec, Ref, hookimpl

@hookimpl
def ftcore_tuning_methods():
    yield MethodSpec(name="needy", summary="wants what nobody has", {facts}, factory=Ref(__name__ + ":Needy"),
                     defaults={{"learning_rate": 1e-3}})

class Needy: ...
"""


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ('needs=("fp9",)', ["the method 'needy' needs fp9, which the backend cpu lacks", "try: --method lora"]),
        ('packages=("nowhere_to_be_found",)', ["needs the package nowhere_to_be_found", "try: pip install"]),
    ],
)
def test_a_method_that_needs_what_is_not_there(attempt: Try, tmp_path: Path, facts: str, words: list[str]):
    refused(attempt(*plugin_file(tmp_path, NEEDY.format(facts=facts)), "--method", "needy"), RESOURCE, *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nowhere_to_be_found\n", ["ModuleNotFoundError: No module named 'nowhere_to_be_found'"]),
        ("def (\n", ["SyntaxError"]),
        ("raise SystemExit(3)\n", ["it called sys.exit(3)"]),
        ("from ftcore import hookimpl\n@hookimpl\ndef ftcore_tuning_method(): ...\n", ["did you mean"]),
    ],
)
def test_a_plugin_file_that_does_not_load(ftcore: Terminal, tmp_path: Path, text: str, words: list[str]):
    result = ftcore("list", *plugin_file(tmp_path, text))
    assert result.code == PLUGIN
    assert re.search(r"\.py(:\d+)?: the plugin does not load: ", result.err)
    for word in words:
        assert word in result.err
    assert len(result.err.splitlines()) <= 6


def test_a_padding_token_without_an_embedding_is_replaced(ftcore: Terminal, tmp_path: Path):
    """As `tokenizer.add_special_tokens({"pad_token": "[PAD]"})` leaves a model whose embeddings were not resized."""
    from transformers import AutoTokenizer

    from ftcore.testing.tiny import save_tiny

    save_tiny(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    tokenizer.add_tokens([f"<extra{number}>" for number in range(1000)])
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(tmp_path / "model")
    rows = [{"prompt": f"say {'a' * n}", "completion": "b" * (n + 1)} for n in range(12)]
    line = ["--data", write_rows(tmp_path / "rows.jsonl", rows), "--train.steps", 2, "--evaluators", "loss"]
    done = ftcore("run", "--model", tmp_path / "model", *line, "--out", "out")
    assert done.code == 0, done.err
    assert "no embedding for the token '[PAD]'; rows are padded with the end token" in done.err


def test_without_an_embedding_for_the_end_token_nothing_can_pad():
    from ftcore.errors import ModelError
    from ftcore.run.load import _padding
    from ftcore.testing.tiny import tiny_tokenizer

    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    assert list(_padding(tokenizer, tokenizer.pad_token_id + 1, "model")) == []
    with pytest.raises(ModelError, match="its tokenizer is not its own"):
        list(_padding(tokenizer, tokenizer.eos_token_id, "model"))
