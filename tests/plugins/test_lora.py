"""LoRA beyond the contract: its settings, its precision, and its starts checked against PEFT's own."""

import json

import peft
import pytest
import torch
from pydantic import ValidationError

from ftcore.errors import UsageError
from ftcore.testing.probes import gradients, logits, train
from ftcore.testing.tiny import ARCHITECTURES, tiny_model
from ftcore_plugins.lora.config import LoraConfig
from ftcore_plugins.lora.method import Lora
from ftcore_plugins.lora.starts import factors, lora_layers


def attach(model=None, **settings):
    torch.manual_seed(0)
    method = Lora(LoraConfig(**settings))
    return method, method.attach(model if model is not None else tiny_model())


def targets(model):
    return {name.rpartition(".")[2] for name, module in model.named_modules() if hasattr(module, "lora_A")}


@pytest.mark.parametrize("init", ["pissa", "olora"])
def test_a_start_from_the_weights_trains_as_in_peft(init):
    """PEFT moves a part of the weights into the adapter; ours leaves them and must go through the same models."""
    config = peft.LoraConfig(r=4, lora_alpha=8, init_lora_weights=init, target_modules="all-linear")
    theirs = peft.get_peft_model(tiny_model(), config)
    _, ours = attach(rank=4, alpha=8, init=init)
    torch.testing.assert_close(logits(ours), logits(tiny_model()), rtol=0, atol=1e-5)
    for layer, other in zip(lora_layers(ours), lora_layers(theirs), strict=True):
        torch.testing.assert_close(layer.lora_A["default"].weight, other.lora_A["default"].weight, atol=1e-5, rtol=0)
    for model in (ours, theirs):
        # Small steps: AdamW magnifies the rounding of gradients near zero.
        train(model, steps=3, learning_rate=1e-3)
    torch.testing.assert_close(logits(ours), logits(theirs), rtol=0, atol=2e-3)
    assert (logits(ours) - logits(tiny_model())).abs().max() > 0.05


def test_what_is_started_from_is_the_strongest_part_of_the_weight():
    """No matrix of rank 4 is nearer to W than its four strongest directions (Eckart and Young)."""
    weight = torch.randn(48, 32, generator=torch.Generator().manual_seed(0))
    a, b = factors(weight, 4, 2.0, "pissa")
    rest = torch.linalg.svdvals(weight)[4:].square().sum().sqrt()
    torch.testing.assert_close((weight - 2 * b @ a).norm(), rest)
    a, b = factors(weight, 4, 2.0, "pissa_niter_8")
    assert (weight - 2 * b @ a).norm() < 1.02 * rest
    a, b = factors(weight, 4, 2.0, "olora")
    torch.testing.assert_close(b.T @ b, torch.eye(4))


def test_what_is_subtracted_never_trains():
    """PEFT makes the parameters of every active adapter trainable again whenever adapters are switched on."""
    _, plain = attach(rank=4)
    _, model = attach(rank=4, init="pissa")
    trained = {name for name, parameter in plain.named_parameters() if parameter.requires_grad}
    for _ in range(2):
        assert {name for name, parameter in model.named_parameters() if parameter.requires_grad} == trained
        with model.disable_adapter():
            pass


def test_a_rank_above_the_width_of_a_layer_starts_too():
    _, model = attach(rank=48, init="pissa")  # k_proj has 32 outputs
    torch.testing.assert_close(logits(model), logits(tiny_model()), rtol=0, atol=1e-5)


def test_saved_from_pissa_it_is_a_plain_lora_of_twice_the_rank(tmp_path):
    method, model = attach(rank=4, alpha=8, init="pissa", rslora=True)
    method.save(model, tmp_path)
    saved = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (saved["r"], saved["init_lora_weights"]) == (8, True)
    assert saved["lora_alpha"] / saved["r"] ** 0.5 == pytest.approx(8 / 4**0.5)


def test_the_saved_configuration_names_its_layers_in_order(tmp_path):
    method, model = attach()
    method.save(model, tmp_path)
    saved = json.loads((tmp_path / "adapter_config.json").read_text())
    assert saved["target_modules"] == sorted(
        ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    )
    assert saved["inference_mode"] is True
    assert model.peft_config["default"].inference_mode is False


def test_layers_chosen_by_an_expression_are_saved_by_their_paths(tmp_path):
    """Not every program that loads adapters knows expressions."""
    method, model = attach(targets=[r".*\.1\.mlp\.up_proj"])
    method.save(model, tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["target_modules"] == [
        "model.layers.1.mlp.up_proj"
    ]


def test_adapters_are_float32_on_a_bfloat16_base():
    for settings in ({}, {"init": "pissa"}, {"init": "orthogonal"}, {"dora": True}):
        _, model = attach(tiny_model().bfloat16(), **settings)
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        assert {parameter.dtype for parameter in trainable} == {torch.float32}
        assert model.get_base_model().lm_head.weight.dtype == torch.bfloat16


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("name", ["lm_head", "embed_tokens"])
def test_modules_that_train_whole_are_float32_inside_a_bfloat16_model(name, tied):
    base = tiny_model(tied=tied).bfloat16()
    expected = logits(base)
    method, model = attach(base, modules_to_save=[name])
    torch.testing.assert_close(logits(model), expected, rtol=0, atol=0.05)
    with method.disabled(model):
        assert torch.equal(logits(model), expected)
    whole = [(n, p) for n, p in model.named_parameters() if "modules_to_save" in n and p.requires_grad]
    assert {parameter.dtype for _, parameter in whole} == {torch.float32}
    assert {n for n, _ in whole} <= gradients(model).keys()
    train(model, steps=2, learning_rate=1e-3)
    trained = logits(model)
    merged = method.merge(model)
    assert {parameter.dtype for parameter in merged.parameters()} == {torch.float32}
    assert not any(module._forward_pre_hooks for module in merged.modules()), "a cast was left behind"
    torch.testing.assert_close(logits(merged), trained, rtol=0, atol=0.1)  # bfloat16 against float32 arithmetic


def test_targets_are_names_or_regular_expressions():
    assert targets(attach(targets="q_proj,v_proj")[1]) == {"q_proj", "v_proj"}
    assert targets(attach(targets=["q_proj"])[1]) == {"q_proj"}
    _, model = attach(targets=[r".*\.1\.mlp\.\w+_proj", "o_proj"])
    paths = {name for name, module in model.named_modules() if hasattr(module, "lora_A")}
    assert len(paths) == 3 + 2
    assert not any(".0.mlp." in path for path in paths)


def test_a_layer_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(UsageError) as caught:
        attach(targets=["q_porj"])
    text = "\n".join(caught.value.lines())
    assert "did you mean 'q_proj'?" in text
    assert "down_proj" in text
    with pytest.raises(UsageError, match="no layer 'lm_haed'"):
        attach(modules_to_save=["lm_haed"])


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"rank": 0}, "greater than 0"),
        ({"dropout": 1.0}, "less than 1"),
        ({"init": "pisa"}, "one of default"),
        ({"init": "pissa", "dora": True}, "dora cannot start"),
        ({"init": "orthogonal", "rank": 5}, "even rank"),
        ({"targets": []}, "at least one layer"),
        ({"targets": ["q_(proj"]}, "no regular expression"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, reason):
    with pytest.raises(ValidationError, match=reason):
        LoraConfig(**settings)


def test_lora_plus_lets_b_learn_faster():
    method, model = attach(plus_ratio=16)
    slow, fast = method.parameter_groups(model, 1e-4)
    assert (slow["lr"], fast["lr"]) == (1e-4, pytest.approx(16e-4))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert all(".lora_B." in names[id(parameter)] for parameter in fast["params"])
    assert len(slow["params"]) == len(fast["params"]) == 14
    assert attach()[0].parameter_groups(model, 1e-4) is None


def test_alpha_scales_the_update_and_rslora_by_the_root():
    layer = next(lora_layers(attach(rank=16, alpha=32)[1]))
    rooted = next(lora_layers(attach(rank=16, alpha=32, rslora=True)[1]))
    assert (layer.scaling["default"], rooted.scaling["default"]) == (2.0, 8.0)


def test_a_classifier_trains_its_own_head():
    """Reward models are classifiers: PEFT then trains and saves the new head."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    config = AutoConfig.for_model("llama", **ARCHITECTURES["llama"], vocab_size=259, num_labels=1)
    _, model = attach(AutoModelForSequenceClassification.from_config(config))
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert any("score" in name for name in trained)
