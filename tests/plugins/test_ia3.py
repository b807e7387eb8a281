"""(IA)³ beyond the contract: which layers, which side, and in which precision."""

import json

import peft
import pytest
import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from ftcore.errors import UsageError
from ftcore.testing.probes import gradients, logits, train
from ftcore.testing.tiny import save_tiny, tiny_model
from ftcore_plugins.ia3.config import Ia3Config
from ftcore_plugins.ia3.method import Ia3


def attach(model=None, **settings):
    method = Ia3(Ia3Config(**settings))
    return method, method.attach(tiny_model() if model is None else model)


def sides(model):
    """The layers that have factors, by the last part of their names, and whether what goes in is scaled."""
    layers = {name: module for name, module in model.named_modules() if hasattr(module, "ia3_l")}
    return {name.rpartition(".")[2]: module.is_feedforward for name, module in layers.items()}


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("llama", {"k_proj": False, "v_proj": False, "down_proj": True}),
        ("gpt2", {"c_attn": False, "c_proj": True}),
        ("phi3", {"qkv_proj": False, "down_proj": True}),  # PEFT has no list for it
    ],
)
def test_keys_and_values_are_scaled_behind_and_inner_activations_before_the_layer(architecture, expected):
    assert sides(attach(tiny_model(architecture))[1]) == expected


def test_all_linear_layers_are_scaled_as_in_pefts_best_comparison():
    found = sides(attach(targets="all-linear")[1])
    assert {name for name, is_input in found.items() if is_input} == {"up_proj", "gate_proj", "down_proj"}
    assert {name for name, is_input in found.items() if not is_input} == {"q_proj", "k_proj", "v_proj", "o_proj"}


def test_peft_trains_the_same():
    config = peft.IA3Config(
        task_type="CAUSAL_LM", target_modules=["k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj"]
    )
    theirs = peft.get_peft_model(tiny_model(), config)
    _, ours = attach()
    for model in (ours, theirs):
        train(model, steps=3)
    torch.testing.assert_close(logits(ours), logits(theirs), rtol=0, atol=1e-6)


def test_an_unknown_model_is_refused_with_its_layers():
    model = tiny_model()
    model.config.model_type = "unheard-of"
    for layer in model.model.layers:
        layer.self_attn.a_proj, layer.self_attn.b_proj = layer.self_attn.k_proj, layer.self_attn.v_proj
        del layer.self_attn.k_proj, layer.self_attn.v_proj
    with pytest.raises(UsageError) as caught:
        attach(model)
    text = "\n".join(caught.value.lines())
    assert "a_proj" in text
    assert "--method.targets all-linear" in text


def test_the_saved_words_for_inner_layers_are_among_those_for_all(tmp_path):
    method, model = attach(tiny_model("gpt2"))
    method.save(model, tmp_path)
    saved = json.loads((tmp_path / "adapter_config.json").read_text())
    assert set(saved["feedforward_modules"]) < set(saved["target_modules"])
    assert saved["target_modules"] == sorted(saved["target_modules"])


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_on_a_bfloat16_base_factors_are_float32_and_merging_rounds_nothing(architecture):
    method, model = attach(tiny_model(architecture).bfloat16())
    assert {gradient.dtype for gradient in gradients(model).values()} == {torch.float32}
    train(model, steps=2)
    trained = logits(model)
    with method.disabled(model):
        assert torch.equal(logits(model), logits(tiny_model(architecture).bfloat16()))
    merged = method.merge(model)
    assert {parameter.dtype for parameter in merged.parameters()} == {torch.float32}
    torch.testing.assert_close(logits(merged), trained, rtol=0, atol=0.1)  # bfloat16 against float32 arithmetic


def test_over_four_bits_it_trains_between_evaluations_and_merges(tmp_path):
    folder = save_tiny(tmp_path / "base", tied=False)
    options = BitsAndBytesConfig(load_in_4bit=True)
    method, model = attach(AutoModelForCausalLM.from_pretrained(folder, quantization_config=options))
    train(model)
    before = gradients(model)
    logits(model)
    assert all(torch.equal(gradient, before[name]) for name, gradient in gradients(model).items())
    assert all(gradient.abs().max() > 0 for gradient in before.values())
    trained = logits(model)
    torch.testing.assert_close(logits(method.merge(model)), trained, rtol=0, atol=1e-4)
