"""The loaders for folders and GGUF files, on tiny models written to disk."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ftcore.errors import ModelError, PolicyError
from ftcore.run.model_files import code_keys, folder_findings
from ftcore.types import Finding
from ftcore_plugins.local.cache import cached
from ftcore_plugins.local.claims import is_folder, is_gguf_file
from ftcore_plugins.local.config import FolderConfig, GgufConfig
from ftcore_plugins.local.folder import Folder
from ftcore_plugins.local.gguf import Gguf


@pytest.fixture
def model(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may damage."""
    return Path(shutil.copytree(tiny, tmp_path / "model"))


def the_error(folder: Path) -> Finding:
    [finding] = folder_findings(folder, folder.name)
    assert finding.level == "error"
    assert finding.fix
    return finding


# Claims -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["./x", "../x", "/x", "~/x", ".", "..", "~", "C:\\models\\x", ".\\x", "here"])
def test_a_path_is_a_folder(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here").mkdir()
    assert is_folder(text)
    assert not is_gguf_file(text)


@pytest.mark.parametrize("text", ["owner/name", "name", "hub:owner/name", ".hidden", "a/b/c"])
def test_what_may_be_something_else_is_not_claimed(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not is_folder(text)


def test_a_gguf_file_is_claimed_by_its_ending_and_a_folder_of_that_name_is_not(tmp_path: Path) -> None:
    assert is_gguf_file("./model-Q4.GGUF")
    assert not is_folder("./model-Q4.GGUF")
    (tmp_path / "x.gguf").mkdir()
    assert not is_gguf_file(str(tmp_path / "x.gguf"))
    assert is_folder(str(tmp_path / "x.gguf"))


# Findings -----------------------------------------------------------------------------------------------------------


def test_a_whole_folder_has_no_findings(model: Path) -> None:
    assert list(Folder(FolderConfig(path=str(model))).findings()) == []


def test_a_missing_folder_names_its_likely_sibling(model: Path) -> None:
    finding = the_error(model.parent / "modell")
    assert finding.message == "there is no folder modell (did you mean 'model'?)"
    assert finding.fix == "--model model"


def test_a_file_is_not_a_folder(model: Path) -> None:
    assert "is a file" in the_error(model / "config.json").message


def test_a_folder_without_config_points_into_the_one_that_has_it(model: Path) -> None:
    finding = the_error(model.parent)
    assert "model in it has" in finding.message
    assert finding.fix is not None
    assert finding.fix.endswith("/model")


def test_an_adapter_names_its_base(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "owner/base"}')
    finding = the_error(tmp_path)
    assert "is an adapter" in finding.message
    assert finding.fix == "--model owner/base"


def test_an_adapter_beside_a_model_is_not_put_on_silently(model: Path) -> None:
    (model / "adapter_config.json").write_text('{"base_model_name_or_path": "owner/base"}')
    assert "a model and an adapter" in the_error(model).message


def test_a_git_lfs_pointer_is_not_weights(model: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 123\n"
    (model / "model.safetensors").write_text(pointer)
    finding = the_error(model)
    assert "git-lfs pointer" in finding.message
    assert finding.fix == "git lfs pull"


@pytest.mark.parametrize("kept", [4, 1000, -1])
def test_weights_that_were_cut_short_are_noticed_before_loading(model: Path, kept: int) -> None:
    file = model / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    assert "cut short" in the_error(model).message


def test_noise_is_no_safetensors(model: Path) -> None:
    (model / "model.safetensors").write_bytes((20).to_bytes(8, "little") + b"x" * 40)
    assert "no safetensors" in the_error(model).message


def test_a_missing_shard_is_named(model: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors", "c": "model-3.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "lacks model-2.safetensors and 1 more" in the_error(model).message


def test_a_pickle_is_refused(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    finding = the_error(model)
    assert "pickle" in finding.message
    assert "save_pretrained" in (finding.fix or "")


def test_missing_weights_and_tokenizer_are_both_named(model: Path) -> None:
    (model / "model.safetensors").unlink()
    (model / "tokenizer.json").unlink()
    assert [f.message.split(" holds ")[1][:12] for f in folder_findings(model, "model")] == [
        "no weights (",
        "no tokenizer",
    ]


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_of_the_models_author_is_refused(model: Path, name: str) -> None:
    values = json.loads((model / name).read_text()) | {"auto_map": {"AutoModel": "modeling.Mine"}}
    (model / name).write_text(json.dumps(values))
    finding = the_error(model)
    assert f"needs code from the model's author ({name}: auto_map); ftcore runs none" in finding.message


def test_code_keys_are_found_at_any_depth() -> None:
    config = {
        "text_config": {"_attn_implementation_internal": "kernels-community/x"},
        "parts": [{"trust_remote_code": True}],
        "_attn_implementation": "owner/kernel",
        "_experts_implementation_internal": None,
        "attn_implementation": "sdpa",
    }
    assert sorted(code_keys(config)) == ["_attn_implementation", "_attn_implementation_internal", "trust_remote_code"]


def test_a_damaged_config_is_named(model: Path) -> None:
    (model / "config.json").write_text("{")
    assert "config.json is not valid JSON" in the_error(model).message


def test_findings_need_neither_torch_nor_transformers(model: Path) -> None:
    code = (
        "import sys; from ftcore_plugins.local.folder import Folder, FolderConfig;"
        f"assert not list(Folder(FolderConfig(path={str(model)!r})).findings());"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Loading ------------------------------------------------------------------------------------------------------------


def test_the_model_is_as_from_pretrained_gives_it(model: Path) -> None:
    import torch

    from ftcore.testing.tiny import tiny_model

    loaded = Folder(FolderConfig(path=str(model))).model(dtype=torch.float32)
    assert not loaded.training
    expected = tiny_model().state_dict()
    assert loaded.state_dict().keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.state_dict().items())


def test_options_reach_from_pretrained(model: Path) -> None:
    import torch

    assert Folder(FolderConfig(path=str(model))).model(dtype=torch.bfloat16).dtype == torch.bfloat16


def test_four_bits_on_the_processor(model: Path) -> None:
    import torch
    from bitsandbytes.nn import Linear4bit
    from transformers import BitsAndBytesConfig

    options = {"quantization_config": BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")}
    loaded = Folder(FolderConfig(path=str(model))).model(dtype=torch.bfloat16, device_map={"": "cpu"}, **options)
    layers = [module for module in loaded.modules() if isinstance(module, Linear4bit)]
    assert len(layers) == 14
    assert {layer.weight.dtype for layer in layers} == {torch.uint8}
    assert loaded.get_input_embeddings().weight.dtype == torch.bfloat16


def test_loading_refuses_what_the_findings_would(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with pytest.raises(PolicyError, match="pickle"):
        Folder(FolderConfig(path=str(model))).model()


def test_the_fingerprint_follows_the_content_and_not_the_place(model: Path, tmp_path: Path) -> None:
    first = Folder(FolderConfig(path=str(model))).fingerprint()
    moved = Path(shutil.copytree(model, tmp_path / "elsewhere"))
    assert Folder(FolderConfig(path=str(moved))).fingerprint() == first
    weights = bytearray((moved / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (moved / "model.safetensors").write_bytes(weights)
    assert Folder(FolderConfig(path=str(moved))).fingerprint() != first


def test_the_name_is_a_path_from_here_that_no_hub_knows(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model.parent)
    assert Folder(FolderConfig(path=str(model))).name() == "./model"
    assert Folder(FolderConfig(path="model")).name() == "./model"
    monkeypatch.chdir(model)
    assert Folder(FolderConfig(path="../model")).name() == "."


# GGUF ---------------------------------------------------------------------------------------------------------------


def write_gguf(path: Path, pre: str = "smollm") -> Any:
    """A tiny Llama as a GGUF file, written as llama.cpp's converter does; returns the model."""
    import numpy as np
    from gguf import GGUFWriter, TokenType

    from ftcore.testing.tiny import tiny_model, tiny_tokenizer

    model, tokenizer = tiny_model(), tiny_tokenizer()
    config = model.config
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    words = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    words[-1] = "ab"  # GGUF cannot hold an empty list of merges
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(words)
    writer.add_token_types([TokenType.CONTROL if word.startswith("<|") else TokenType.NORMAL for word in words])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_chat_template(tokenizer.chat_template)
    parts = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
             "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
             "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
             "post_attention_layernorm": "ffn_norm"}  # fmt: skip
    for name, tensor in model.state_dict().items():
        values = tensor.numpy()
        if name.startswith("model.layers."):
            _, _, block, part = name.removesuffix(".weight").split(".", 3)
            heads = {"self_attn.q_proj": config.num_attention_heads, "self_attn.k_proj": config.num_key_value_heads}
            if part in heads:  # llama.cpp rotates neighbours, transformers halves
                rows = values.reshape(heads[part], 2, -1, values.shape[1])
                values = np.ascontiguousarray(rows.swapaxes(1, 2)).reshape(values.shape)
            writer.add_tensor(f"blk.{block}.{parts[part]}.weight", values)
        elif name != "lm_head.weight":
            outer = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
            writer.add_tensor(outer[name], values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FTCORE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


def test_a_gguf_file_becomes_the_same_model(tmp_path: Path, cache: Path) -> None:
    import torch

    file = tmp_path / "tiny.gguf"
    original = write_gguf(file)
    loader = Gguf(GgufConfig(path=str(file)))
    assert list(loader.findings()) == []
    model = loader.model()
    ids = torch.tensor([[1, 50, 60, 70]])
    torch.testing.assert_close(model(ids).logits, original(ids).logits)
    assert model.dtype == torch.float32  # as the file has it
    assert model.config.rms_norm_eps == original.config.rms_norm_eps == 1e-6  # a float32 reads as 9.99999997e-07
    assert not hasattr(model.config, "quantization_config")
    assert [file.name for file in cache.iterdir()] == [loader.folder.name]
    assert loader.fingerprint() == f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"


def test_the_unpacked_copy_is_made_once(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "tiny.gguf"
    write_gguf(file)
    made = Gguf(GgufConfig(path=str(file))).folder.stat().st_mtime_ns
    assert Gguf(GgufConfig(path=str(file))).folder.stat().st_mtime_ns == made
    assert Gguf(GgufConfig(path=str(file))).tokenizer().model_max_length == 512


def test_smollm_cuts_numbers_digit_by_digit(tmp_path: Path, cache: Path) -> None:
    write_gguf(tmp_path / "smollm.gguf", pre="smollm")
    write_gguf(tmp_path / "other.gguf", pre="default")

    def pieces(name: str) -> list[str]:
        tokenizer = Gguf(GgufConfig(path=str(tmp_path / name))).tokenizer()
        return [piece for piece, _ in tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str("of  1234")]

    assert pieces("smollm.gguf") == ["of", "ĠĠ", "1", "2", "3", "4"]
    assert pieces("other.gguf") == ["of", "Ġ", "Ġ1234"]


def test_what_lies_beside_a_gguf_file_does_not_matter(tmp_path: Path, cache: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    (tmp_path / "chat_template.jinja").write_text("beside")
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "owner/base", "peft_type": "LORA"}')
    loader = Gguf(GgufConfig(path=str(tmp_path / "tiny.gguf")))
    assert "<|im_start|>" in loader.tokenizer().chat_template
    assert loader.model().num_parameters() > 0


def test_what_is_no_gguf_file_is_refused_by_its_first_bytes(tmp_path: Path) -> None:
    file = tmp_path / "x.gguf"
    [missing] = Gguf(GgufConfig(path=str(file))).findings()
    assert "there is no file" in missing.message
    file.write_text("version https://git-lfs.github.com/spec/v1\n")
    [pointer] = Gguf(GgufConfig(path=str(file))).findings()
    assert pointer.fix == "git lfs pull"
    file.write_text("hello")
    with pytest.raises(ModelError, match="is no GGUF file"):
        Gguf(GgufConfig(path=str(file))).model()


def test_a_gguf_file_that_was_cut_short_leaves_nothing_in_the_cache(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "tiny.gguf"
    write_gguf(file)
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(ModelError):
        Gguf(GgufConfig(path=str(file))).model()
    assert list(cache.iterdir()) == []


def test_two_processes_that_make_the_same_folder_both_get_it(cache: Path) -> None:
    code = (
        "import time; from ftcore_plugins.local.cache import cached\n"
        "def make(folder):\n"
        "    (folder / 'a').write_text('a'); time.sleep(0.5); (folder / 'b').write_text('b')\n"
        "print(sorted(f.name for f in cached('key', make).iterdir()))"
    )
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in both] == ["['a', 'b']"] * 2
    assert [folder.name for folder in cache.iterdir()] == ["key"]


def test_a_failed_making_leaves_nothing(cache: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cached("key", fail)
    assert os.listdir(cache) == []
