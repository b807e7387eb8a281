"""ABBA keeps the contract of tuning methods, and computes what the paper says."""

# ruff: noqa: RUF012 - settings are read, never changed

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ftcore.errors import ModelError, UsageError
from ftcore.testing.methods import MethodContract
from ftcore.testing.tiny import tiny_model
from ftcore_abba.config import AbbaConfig
from ftcore_abba.elsewhere import load_abba
from ftcore_abba.method import Abba
from ftcore_abba.update import Update, strongest


class TestAbba(MethodContract):
    name = "abba"

    def reload(self, base_folder: Path, artifact_folder: Path) -> Any:
        return load_abba(self.load_base(base_folder), artifact_folder)


class TestAbbaOnChosenLayersOfGpt2(TestAbba):
    settings = {"rank": 4, "alpha": 8, "targets": ["c_attn", r".*\.1\.mlp\.c_proj"]}
    architecture = "gpt2"


def trained_update(rank: int = 3) -> Update:
    torch.manual_seed(0)
    update = Update(torch.randn(11, 7), rank, alpha=6)
    nn.init.normal_(update.B2)
    return update


def test_the_update_is_that_of_the_paper():
    """Written out entry by entry, for r = 3 and s = 6²/3."""
    update, x = trained_update(), torch.randn(5, 7)
    first, second = (update.B1 @ update.A1).detach(), (update.B2 @ update.A2).detach()
    delta = torch.tensor([[12.0 * first[i, j] * second[i, j] for j in range(7)] for i in range(11)])
    torch.testing.assert_close(update.delta(), delta)
    torch.testing.assert_close(update(x), x @ delta.T, rtol=1e-4, atol=1e-4)


def test_its_rank_is_that_of_a_pair_squared():
    update = trained_update(rank=2)
    assert torch.linalg.matrix_rank(update.delta()) == 4


def test_both_ways_give_the_same_gradients():
    update, x = trained_update(), torch.randn(5, 7)
    update(x).square().sum().backward()
    found = {name: p.grad.clone() for name, p in update.named_parameters()}
    update.zero_grad()
    (x @ update.delta().T).square().sum().backward()
    for name, parameter in update.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-3, atol=1e-3)


def test_the_first_pair_starts_as_the_best_approximation_of_the_weights():
    torch.manual_seed(0)
    weight = torch.randn(96, 64) @ torch.diag(torch.arange(1.0, 65.0).pow(-0.5)) @ torch.randn(64, 80)
    b, a = strongest(weight, 8)
    u, s, v = torch.linalg.svd(weight)
    best = torch.linalg.norm(weight - u[:, :8] * s[:8] @ v[:8])
    assert torch.linalg.norm(weight - b @ a) < 1.01 * best
    torch.testing.assert_close(b.norm(dim=0), a.norm(dim=1))


def test_a_bfloat16_model_keeps_its_dtype_and_its_update_float32():
    model = Abba(AbbaConfig()).attach(tiny_model().bfloat16())
    assert model(torch.tensor([[5, 6]])).logits.dtype == torch.bfloat16
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}


@pytest.mark.parametrize(
    ("settings", "what"),
    [({"targets": ["q_prj"]}, "did you mean 'q_proj'"), ({"rank": 33}, "no 33 directions")],
)
def test_what_the_model_does_not_have_is_refused(settings: dict[str, Any], what: str):
    with pytest.raises(UsageError, match=what):
        Abba(AbbaConfig(**settings)).attach(tiny_model())


def test_quantised_weights_are_refused():
    model = tiny_model()
    layer = model.model.layers[0].mlp.up_proj
    layer.weight = nn.Parameter(layer.weight.to(torch.int8), requires_grad=False)
    with pytest.raises(ModelError, match=r"layers\.0\.mlp\.up_proj is quantised"):
        Abba(AbbaConfig()).attach(model)


@pytest.mark.parametrize("targets", ["", "("])
def test_words_that_cannot_be_searched_for_are_refused(targets: str):
    with pytest.raises(ValueError, match=r"name at least one layer|no regular expression"):
        AbbaConfig(targets=[targets] if targets else [])
