"""QLoRA beyond the contract: what is held in four bits, and the traps of bitsandbytes."""

import peft
import pytest
import torch
from bitsandbytes.functional import has_avx512bf16
from bitsandbytes.nn import Linear4bit
from transformers import AutoModelForCausalLM

from ftcore.errors import ModelError
from ftcore.parameters import count
from ftcore.testing.probes import gradients, logits, train
from ftcore.testing.tiny import save_tiny, tiny_model
from ftcore_plugins.peft_base.packed import keep_trainable
from ftcore_plugins.qlora.config import QloraConfig
from ftcore_plugins.qlora.method import Qlora


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("base"), tied=False)


def load(folder, dtype=torch.float32, **settings):
    method = Qlora(QloraConfig(**settings))
    return method, AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, **method.load_options())


def test_linear_layers_are_in_four_bits_and_head_and_embedding_are_not(folder):
    _, model = load(folder)
    quantised = {name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, Linear4bit)}
    assert quantised == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert type(model.lm_head) is torch.nn.Linear
    assert model.model.embed_tokens.weight.dtype == torch.float32


def test_four_bit_weights_are_counted_as_the_numbers_that_they_stand_for(folder):
    method, model = load(folder)
    assert count(model)[1] == count(tiny_model(tied=False))[1]
    trainable, total = count(method.attach(model))
    assert total - trainable == count(tiny_model(tied=False))[1]


@pytest.mark.parametrize("double_quant", [True, False])
def test_scales_are_quantised_on_request(folder, double_quant):
    _, model = load(folder, double_quant=double_quant)
    assert model.model.layers[0].self_attn.q_proj.weight.quant_state.nested is double_quant


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what is chosen without an accelerator")
def test_left_open_scales_are_not_quantised_on_a_processor():
    options = Qlora(QloraConfig()).load_options()["quantization_config"]
    assert options.bnb_4bit_use_double_quant is False
    assert options.bnb_4bit_quant_type == "nf4"


def test_it_computes_in_the_precision_of_the_rest_unless_told_otherwise(folder):
    def computes_in(**settings):
        method, model = load(folder, **settings)
        model = method.attach(model)
        logits(model)
        return {module.compute_dtype for module in model.modules() if isinstance(module, Linear4bit)}

    assert computes_in() == {torch.float32}
    assert computes_in(dtype=torch.bfloat16) == {torch.bfloat16}
    assert computes_in(compute_dtype="bfloat16") == {torch.bfloat16}


def test_adapters_are_float32_beside_bfloat16(folder):
    method, model = load(folder, dtype=torch.bfloat16)
    model = method.attach(model)
    assert {parameter.dtype for parameter in model.parameters() if parameter.requires_grad} == {torch.float32}
    assert model.get_base_model().model.norm.weight.dtype == torch.bfloat16


@pytest.mark.skipif(not has_avx512bf16(), reason="bitsandbytes repacks only on processors with AVX512-BF16")
def test_bitsandbytes_still_loses_gradients_after_an_evaluation(folder):
    """The fault that `keep_trainable` is there for. When this fails, bitsandbytes has mended it: remove the guard."""
    _, model = load(folder, dtype=torch.bfloat16)
    config = peft.LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    torch.manual_seed(0)
    unguarded = peft.get_peft_model(model, config)
    before = gradients(unguarded)
    logits(unguarded)
    try:
        after = gradients(unguarded)
    except (RuntimeError, AttributeError, AssertionError) as error:  # louder than silence, and as useless
        pytest.fail(f"bitsandbytes now fails aloud: {error}")
    same = before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert not same


def test_with_the_guard_an_evaluation_in_bfloat16_changes_no_gradient(folder):
    method, model = load(folder, dtype=torch.bfloat16)
    model = method.attach(model)
    train(model, steps=2)
    before = gradients(model)
    logits(model)
    after = gradients(model)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.skipif(not has_avx512bf16(), reason="bitsandbytes repacks only on processors with AVX512-BF16")
def test_a_model_that_has_already_answered_is_refused(folder):
    method, model = load(folder)
    logits(model)
    with pytest.raises(ModelError, match="repacked by an evaluation"):
        method.attach(model)


def test_a_model_in_full_precision_is_refused():
    with pytest.raises(ModelError, match="not held in four bits"):
        Qlora(QloraConfig()).attach(tiny_model())


def test_folding_in_four_bits_would_have_lost_the_update(folder):
    """Why PEFT's own merge is not used: rounding to four bits moves the logits by more than training did."""
    method, model = load(folder)
    model = method.attach(model)
    train(model, steps=3)
    expected = logits(model)
    merged = method.merge(model)
    ours = (logits(merged) - expected).abs().max()

    method, model = load(folder)
    torch.manual_seed(0)
    model = method.attach(model)
    train(model, steps=3)
    expected = logits(model)
    with pytest.warns(UserWarning, match="rounding errors"):
        peft_merged = model.merge_and_unload()
    for _, layer in ((n, m) for n, m in peft_merged.named_modules() if isinstance(m, Linear4bit)):
        keep_trainable(layer)
    theirs = (logits(peft_merged) - expected).abs().max()
    assert ours < 1e-4
    assert theirs > 100 * ours


def test_merged_it_remembers_nothing_of_four_bits(folder):
    method, model = load(folder)
    model = method.attach(model)
    merged = method.merge(model)
    assert not hasattr(merged, "hf_quantizer")
    assert not hasattr(merged.config, "quantization_config")
    assert not merged.is_loaded_in_4bit
    assert {parameter.dtype for parameter in merged.parameters()} == {torch.float32}


def test_loftq_starts_nearer_to_the_unrounded_model(folder):
    exact = logits(tiny_model(tied=False))

    def distance(**settings):
        method, model = load(folder, **settings)
        return float((logits(method.attach(model)) - exact).norm())

    assert distance(loftq=True) < 0.9 * distance()
    assert distance(loftq=True, alpha=64) == pytest.approx(distance(loftq=True), rel=0.1), "the scale is not in it"


def test_loftq_says_where_it_cannot_find_the_weights(folder):
    method, model = load(folder, loftq=True)
    model.config._name_or_path = "/nowhere"
    model.name_or_path = "/nowhere"
    with pytest.raises(ModelError, match=r"no tensor model\.layers\.0\.self_attn\.q_proj\.weight"):
        method.attach(model)


@pytest.mark.parametrize("other", [{"init": "pissa"}, {"dora": True}])
def test_loftq_goes_with_no_other_start(other):
    with pytest.raises(ValueError, match="loftq"):
        QloraConfig(loftq=True, **other)
