"""Bottleneck adapters: where they go in each architecture, what they compute, and what becomes of their artifact."""

from __future__ import annotations

import ast
import copy
import inspect
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

from ftcore.errors import ModelError, UsageError
from ftcore.manager import PluginManager
from ftcore.run.reload import reload
from ftcore.testing.probes import batch, logits, snapshot, train
from ftcore.testing.tiny import ARCHITECTURES, tiny_model
from ftcore_plugins.adapter import elsewhere
from ftcore_plugins.adapter.bottleneck import Bottleneck
from ftcore_plugins.adapter.config import AdapterConfig
from ftcore_plugins.adapter.method import CONFIG, Adapter
from ftcore_plugins.adapter.places import in_words
from tests.conftest import Terminal
from tests.docs.pages import DOCS, blocks


def attach(model: Any = None, **settings: Any) -> tuple[Adapter, Any]:
    method = Adapter(AdapterConfig(**settings))
    torch.manual_seed(0)
    return method, method.attach(tiny_model() if model is None else model)


def adapters(model: Any) -> dict[str, Bottleneck]:
    return {name: module for name, module in model.named_modules() if isinstance(module, Bottleneck)}


# Every architecture ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_any_decoder_gets_adapters_that_leave_everything_else_as_it_was(architecture: str, tmp_path: Path):
    base = tiny_model(architecture)
    before, answers = snapshot(base), logits(base)
    method, model = attach(base, variant="houlsby", reduction_factor=8)
    assert len(adapters(model)) == 4, "two in each of two blocks"
    assert torch.equal(logits(model), answers), "an adapter begins as nothing"
    train(model, 2)
    after = snapshot(model)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items()), "the base keeps names and values"
    assert not torch.allclose(logits(model), answers, atol=1e-2)

    method.save(model, tmp_path)
    elsewhere_too = elsewhere.load_adapter(tiny_model(architecture), tmp_path)
    torch.testing.assert_close(logits(elsewhere_too), logits(model), rtol=0, atol=1e-5)

    prompt = {"input_ids": batch()["input_ids"][:, :6], "attention_mask": batch()["attention_mask"][:, :6]}
    wanted = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False}
    with_cache, without = (model.eval().generate(**prompt, **wanted, use_cache=use) for use in (True, False))
    assert torch.equal(with_cache, without)


def test_a_block_without_an_mlp_is_refused_with_what_it_has():
    config = AutoConfig.for_model(
        "opt", hidden_size=16, ffn_dim=16, num_hidden_layers=1, num_attention_heads=2, word_embed_proj_dim=16,
        vocab_size=9, pad_token_id=0,
    )  # fmt: skip
    with pytest.raises(ModelError, match="block 0, a OPTDecoderLayer, has no part that is called MLP") as error:
        attach(AutoModelForCausalLM.from_config(config))
    assert "fc1 (Linear)" in "\n".join(error.value.lines())


def test_a_block_with_two_mlps_is_refused():
    model = tiny_model()
    model.model.layers[1].dense_mlp = copy.deepcopy(model.model.layers[1].mlp)
    del model.model.layers[1].mlp
    model.model.layers[1].shared_mlp = torch.nn.Linear(2, 2)
    with pytest.raises(ModelError, match="several parts that could be its MLP: dense_mlp, shared_mlp"):
        attach(model)


def test_a_second_adapter_is_refused():
    _, model = attach()
    with pytest.raises(ModelError, match="has a part named 'adapter' already"):
        attach(model)


# What they compute ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "scale", "reads"),
    [
        ({"variant": "parallel"}, 4.0, "input"),
        ({"variant": "parallel", "scale": 0.5}, 0.5, "input"),
        ({"variant": "pfeiffer"}, 1.0, "output"),
    ],
)
def test_the_equation(settings: dict[str, Any], scale: float, reads: str):
    """Of one MLP, computed by hand from its input and its own answer."""
    method, model = attach(**settings, nonlinearity="tanh", reduction_factor=5)
    mlp = model.model.layers[0].mlp
    assert mlp.adapter.down.weight.shape == (64 // 5, 64)
    train(model, 2)
    x = torch.randn(2, 3, 64)
    with torch.no_grad():
        with method.disabled(model):
            own = mlp(x)
        source = x if reads == "input" else own
        a = mlp.adapter
        expected = own + scale * (
            torch.tanh(source @ a.down.weight.T + a.down.bias) @ a.up.weight.T + a.up.bias
        )  # fmt: skip
        torch.testing.assert_close(mlp(x), expected)
        torch.testing.assert_close(mlp(x=x), expected)  # named, as some blocks do


def test_a_learned_scale_begins_at_one_and_trains():
    _, model = attach(scale="learned")
    scales = [adapter.scale for adapter in adapters(model).values()]
    assert [scale.item() for scale in scales] == [1.0, 1.0]
    train(model, 3)
    assert all(scale.item() != 1.0 for scale in scales)
    assert all(not isinstance(adapter.scale, torch.nn.Parameter) for adapter in adapters(attach()[1]).values())


def test_over_a_base_in_bfloat16_adapters_stay_in_float32(tmp_path: Path):
    method, model = attach(tiny_model().to(torch.bfloat16), variant="houlsby")
    assert {tensor.dtype for tensor in method.state(model).values()} == {torch.float32}
    train(model, 2)
    assert model(**batch()).logits.dtype == torch.bfloat16
    method.save(model, tmp_path)
    again = elsewhere.load_adapter(tiny_model().to(torch.bfloat16), tmp_path)
    assert torch.equal(logits(again), logits(model))


def test_dropout_is_for_training_only():
    _, model = attach(dropout=0.5)
    train(model, 2)
    assert torch.equal(logits(model), logits(model))
    with torch.no_grad():
        assert not torch.equal(model.train()(**batch()).logits, model(**batch()).logits)


def test_a_copy_has_adapters_of_its_own():
    _, model = attach()
    train(model, 2)
    answers, twin = logits(model), copy.deepcopy(model)
    assert torch.equal(logits(twin), answers)
    train(twin, 1)
    assert torch.equal(logits(model), answers)
    assert not torch.equal(logits(twin), answers)


def test_a_classifier_trains_its_new_head_too(tmp_path: Path):
    """Reward models are classifiers, and their base may be in bfloat16."""
    config = AutoConfig.for_model("llama", **ARCHITECTURES["llama"], vocab_size=259, num_labels=1, pad_token_id=0)
    base = AutoModelForSequenceClassification.from_config(config, dtype=torch.bfloat16)
    method, model = attach(copy.deepcopy(base))
    assert "score.weight" in method.state(model)
    rows = {"input_ids": batch()["input_ids"]}
    model.eval()(**rows).logits.sum().backward()
    assert model.score.weight.grad is not None
    torch.nn.init.ones_(model.score.weight)
    method.save(model, tmp_path)
    again = elsewhere.load_adapter(base.eval(), tmp_path)
    torch.testing.assert_close(again(**rows).logits.float(), model(**rows).logits, rtol=0.01, atol=0.01)


# Chosen layers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read"),
    [("all", "all"), (["all"], "all"), ("0-3,8", [0, 1, 2, 3, 8]), (["4-5", 1, "4"], [1, 4, 5]), (7, [7])],
)
def test_layers_are_numbers_and_ranges(written: Any, read: Any):
    assert AdapterConfig(layers=written).layers == read
    assert AdapterConfig(layers=read) == AdapterConfig(layers=written)
    if read != "all":
        assert AdapterConfig(layers=in_words(read)).layers == read


@pytest.mark.parametrize(
    ("written", "said"),
    [("al", "did you mean 'all'"), ("3-1", "1-3 is not"), ("-1", "block numbers from 0 on"), ("", "ranges of them")],
)
def test_layers_that_cannot_be_read_say_how_to_write_them(written: str, said: str):
    with pytest.raises(ValidationError, match=said):
        AdapterConfig(layers=written)


def test_only_chosen_blocks_get_adapters():
    assert list(adapters(attach(layers=[1])[1])) == ["model.layers.1.mlp.adapter"]


@pytest.mark.parametrize(("layers", "fix"), [("0-5", "--method.layers 0-1"), ("7", "--method.layers all")])
def test_a_block_that_is_not_there_is_refused_with_those_that_are(layers: str, fix: str):
    with pytest.raises(UsageError, match="the model has 2 blocks, 0 to 1; there is no block") as error:
        attach(layers=layers)
    assert error.value.fix == fix
    assert error.value.where == "method.layers"


@pytest.mark.parametrize(
    "settings", [{"scale": 0}, {"scale": "nan"}, {"scale": "large"}, {"nonlinearity": "exec"}, {"variant": "ia3"}]
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any]):
    with pytest.raises(ValidationError):
        AdapterConfig(**settings)


# A whole run ----------------------------------------------------------------------------------------------------------


def test_a_run_leaves_what_others_can_load(ftcore: Terminal, tiny: Path, rows: Path, tmp_path: Path):
    run = tmp_path / "run"
    done = ftcore(
        "run", "--model", tiny, "--data", rows, "--method", "adapter", "--method.variant", "houlsby",
        "--method.layers", "0-1", "--train.gradient_checkpointing", "--train.steps", 3, "--train.batch_size", 4,
        "--train.learning_rate", 0.01, "--backend", "cpu", "--backend.precision", "fp32", "--evaluators", "none",
        "--reporters", "metrics", "--out", run,
    )  # fmt: skip
    assert done.code == 0, done.err
    description = json.loads((run / "model" / CONFIG).read_text())
    assert description["places"][:2] == ["model.layers.0.self_attn", "model.layers.0.mlp"]
    assert not (run / "model" / "adapter_config.json").exists(), "PEFT and transformers would take it for theirs"

    base = AutoModelForCausalLM.from_pretrained(description["base_model_name_or_path"], dtype=torch.float32)
    untuned = logits(base)
    theirs = logits(elsewhere.load_adapter(base, run / "model"))
    torch.testing.assert_close(theirs, logits(reload(run, PluginManager.discover()).model), rtol=0, atol=1e-5)
    assert not torch.allclose(theirs, untuned, atol=1e-3)

    card = (run / "model" / "README.md").read_text()
    assert "def load_adapter(model, folder):" in card
    assert "ftcore merge" not in card
    code = card.partition("```python\n")[2].partition("```")[0]
    ast.parse(code)


def test_the_documentation_shows_the_function_that_is_tested():
    [block] = [each for each in blocks(DOCS / "how-to" / "use-an-adapter-elsewhere.md") if each.title]
    assert block.text.startswith(inspect.getsource(elsewhere))


def test_the_function_needs_neither_ftcore_nor_peft():
    imports = [node for node in ast.walk(ast.parse(inspect.getsource(elsewhere))) if isinstance(node, ast.ImportFrom)]
    assert {node.module.partition(".")[0] for node in imports if node.module} <= {
        "functools", "pathlib", "safetensors", "torch", "transformers",
    }  # fmt: skip
