"""Freezing: which parameters its settings choose, and how it answers to settings that choose none."""

import pytest

from ftcore.errors import UsageError
from ftcore.parameters import count
from ftcore.testing.tiny import tiny_model
from ftcore_plugins.freeze.config import FreezeConfig
from ftcore_plugins.freeze.method import Freeze


def trained(model, **settings):
    Freeze(FreezeConfig(**settings)).attach(model)
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_the_last_blocks_train_whole_and_nothing_else():
    model = tiny_model()
    last = {name for name, _ in model.named_parameters() if name.startswith("model.layers.1.")}
    assert trained(model, blocks=1) == last
    assert len(last) == 9


def test_a_model_with_fewer_blocks_trains_them_all():
    names = trained(tiny_model("gpt2"), blocks=40)
    assert {name.split(".")[2] for name in names} == {"0", "1"}


def test_the_head_of_a_tied_model_is_its_embedding():
    assert trained(tiny_model(), blocks=0, head=True) == {"model.embed_tokens.weight"}
    assert trained(tiny_model(tied=False), blocks=0, head=True) == {"lm_head.weight"}


def test_norms_are_all_norms():
    names = trained(tiny_model(), blocks=0, norms=True)
    assert len(names) == 2 * 2 + 1
    assert all("norm" in name for name in names)


def test_patterns_add_to_the_blocks():
    names = trained(tiny_model(), blocks=1, patterns=["*.layers.0.self_attn.?_proj.weight"])
    assert len(names) == 9 + 4


def test_a_pattern_finds_a_tied_parameter_by_its_other_name():
    assert trained(tiny_model(), blocks=0, patterns=["lm_head.*"]) == {"model.embed_tokens.weight"}


def test_a_pattern_that_names_nothing_is_refused_with_names_that_exist():
    with pytest.raises(UsageError) as caught:
        trained(tiny_model(), patterns=["model.norm.weigth"])
    text = "\n".join(caught.value.lines())
    assert "did you mean 'model.norm.weight'?" in text
    assert "embed_tokens.weight" in text
    assert len(caught.value.lines()) <= 6


def test_settings_that_train_nothing_are_refused():
    with pytest.raises(UsageError, match="nothing trains"):
        trained(tiny_model(), blocks=0)


def test_no_more_trains_than_was_trained_before():
    """Attaching freezes what the model came with, so that exactly what was chosen trains."""
    model = tiny_model()
    assert count(model)[0] == count(model)[1]
    trained(model, blocks=1)
    assert count(model)[0] == sum(parameter.numel() for parameter in model.model.layers[1].parameters())
