"""LayerNorm tuning beyond the contract: which norms, in which precision, and what is left behind."""

import pytest
import torch

from ftcore.errors import UsageError
from ftcore.testing.probes import gradients, logits, train
from ftcore.testing.tiny import tiny_model
from ftcore_plugins.ln_tuning.config import LnTuningConfig
from ftcore_plugins.ln_tuning.method import LnTuning


def attach(model=None, **settings):
    method = LnTuning(LnTuningConfig(**settings))
    return method, method.attach(tiny_model() if model is None else model)


@pytest.mark.parametrize(("architecture", "norms"), [("llama", 5), ("qwen3", 9), ("gemma2", 9), ("gpt2", 5)])
def test_every_norm_trains_whatever_it_is_called(architecture, norms):
    """Qwen3 has norms of queries and keys too; GPT-2's norms have biases."""
    _, model = attach(tiny_model(architecture))
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert len(trained) == (2 * norms if architecture == "gpt2" else norms)
    assert all("norm" in name or ".ln_" in name for name in trained)


def test_norms_are_chosen_by_name_or_expression():
    _, model = attach(targets=r"norm,.*\.1\.input_layernorm")
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert len(trained) == 2
    with pytest.raises(UsageError) as caught:
        attach(targets=["input_layernrom"])
    assert "did you mean 'input_layernorm'?" in "\n".join(caught.value.lines())


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gpt2"])
def test_on_a_bfloat16_base_norms_train_in_float32(architecture):
    """A weight near 1 cannot change by less than 0.4 % in bfloat16."""
    method, model = attach(tiny_model(architecture).bfloat16())
    expected = logits(tiny_model(architecture).bfloat16())
    torch.testing.assert_close(logits(model), expected, rtol=0, atol=0.1)
    assert {gradient.dtype for gradient in gradients(model).values()} == {torch.float32}
    train(model, steps=2, learning_rate=1e-3)
    with method.disabled(model):
        assert torch.equal(logits(model), expected)
    merged = method.merge(model)
    assert not any(module._forward_pre_hooks for module in merged.modules()), "a cast was left behind"
