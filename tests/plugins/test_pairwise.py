"""ORPO, SimPO and CPO give the values that their papers' formulas give by hand, and `ftcore.pairs` feeds them right."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import tensor

from ftcore.manager import PluginManager
from ftcore.pairs import IGNORED, PairCollator, Pairs, log_probabilities
from ftcore.testing.runs import plan, session
from ftcore.testing.tiny import tiny_model
from ftcore_plugins.pairwise.losses import cpo, orpo, simpo
from tests.conftest import Terminal, write_rows
from tests.docs.pages import DOCS, blocks

MANAGER = PluginManager.discover()

PAIRS = Pairs(
    chosen=tensor([-6.0, -4.0]),
    rejected=tensor([-4.0, -6.0]),
    chosen_length=tensor([3, 4]),
    rejected_length=tensor([4, 3]),
)
"""A token, the chosen answer has −2 nats in the first pair and −1 in the second, and the rejected one the other way."""


# The formulas --------------------------------------------------------------------------------------------------------


def test_orpo_is_the_papers():
    """odds(e⁻²) = 0.15652 and odds(e⁻¹) = 0.58198, so the log of their ratio is ∓1.31326; −log σ of it is 1.55144 and
    0.23818; imitation adds 2 and 1."""
    assert orpo(PAIRS, strength=0.1).tolist() == pytest.approx([2.155144, 1.023818], abs=1e-6)


def test_simpo_is_the_papers():
    """2 · (∓1) − 1 is −3 and 1; −log σ of these is 3.04859 and 0.31326."""
    assert simpo(PAIRS, beta=2.0, margin=1.0).tolist() == pytest.approx([3.048587, 0.313262], abs=1e-6)


def test_cpo_is_the_papers():
    """0.1 · (∓2) is ∓0.2; −log σ of these is 0.79814 and 0.59814; imitation adds 2 and 1, or a half of them."""
    assert cpo(PAIRS, beta=0.1, imitation=1.0).tolist() == pytest.approx([2.798139, 1.598139], abs=1e-6)
    assert cpo(PAIRS, beta=0.1, imitation=0.5).tolist() == pytest.approx([1.798139, 1.098139], abs=1e-6)


def test_the_loss_of_the_docs_is_what_they_work_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    page = blocks(DOCS / "how-to" / "write-a-preference-loss.md")
    (tmp_path / "ranking.py").write_text(next(block.text for block in page if block.title == "ranking.py"))
    monkeypatch.syspath_prepend(tmp_path)
    try:
        exec(next(block.text for block in page if "assert loss" in block.text), {})
    finally:  # the same name may come as a plugin yet
        sys.modules.pop("ranking", None)


@pytest.mark.parametrize("mean", [-1e-9, -1e-3, -60.0, -120.0])
def test_orpo_is_finite_where_answers_are_certain_or_hopeless(mean: float):
    chosen = tensor([mean], requires_grad=True)
    one = tensor([1])
    loss = orpo(Pairs(chosen, tensor([-1.0]), one, one), strength=1.0)
    (slope,) = torch.autograd.grad(loss.sum(), chosen)
    assert math.isfinite(loss.item())
    assert math.isfinite(slope.item())
    assert slope.item() < 0, "a likelier chosen answer is better"


# Log-probabilities ---------------------------------------------------------------------------------------------------

ROWS = [
    {"prompt_ids": [5, 6, 7], "chosen_ids": [8, 9], "rejected_ids": [10]},
    {"prompt_ids": [5], "chosen_ids": [11, 12, 13, 14], "rejected_ids": [15, 16]},
]


def by_hand(model: Any, prompt: list[int], answer: list[int]) -> float:
    """Token by token, without padding."""
    with torch.no_grad():
        logs = model(input_ids=tensor([prompt + answer])).logits[0].float().log_softmax(dim=-1)
    places = range(len(prompt) - 1, len(prompt) + len(answer) - 1)
    return sum(logs[place, token].item() for place, token in zip(places, answer, strict=True))


def test_a_batch_is_the_chosen_answers_and_then_the_others():
    batch = PairCollator(padding=0)(ROWS)
    assert batch["input_ids"].tolist() == [[5, 6, 7, 8, 9], [5, 11, 12, 13, 14], [5, 6, 7, 10, 0], [5, 15, 16, 0, 0]]
    assert batch["attention_mask"].sum(dim=1).tolist() == [5, 5, 4, 3]
    x = IGNORED
    assert batch["labels"].tolist() == [[x, x, x, 8, 9], [x, 11, 12, 13, 14], [x, x, x, 10, x], [x, 15, 16, x, x]]


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gpt2"])
def test_log_probabilities_are_those_of_the_answer_alone(architecture: str):
    model = tiny_model(architecture).eval()
    sums, lengths = log_probabilities(model, PairCollator(padding=0)(ROWS))
    expected = [by_hand(model, row["prompt_ids"], row[side]) for side in ("chosen_ids", "rejected_ids") for row in ROWS]
    assert sums.tolist() == pytest.approx(expected, abs=1e-4)
    assert lengths.tolist() == [2, 4, 1, 2]


@pytest.mark.parametrize("method", ["lora", "adapter", "prompt-tuning", "prefix-tuning"])
def test_so_it_is_behind_a_method(tiny: Path, tmp_path: Path, method: str):
    ready = session(plan(MANAGER, tiny, tmp_path, "preference", {"strategy": "simpo", "method": method}), MANAGER)
    ready.model.eval()
    sums, _ = log_probabilities(ready.model, PairCollator(padding=0)(ROWS))
    expected = [
        by_hand(ready.model, row["prompt_ids"], row[side]) for side in ("chosen_ids", "rejected_ids") for row in ROWS
    ]
    assert sums.tolist() == pytest.approx(expected, abs=1e-4)


def test_logits_are_computed_for_answers_only():
    model, seen = tiny_model(), []
    model.lm_head.register_forward_hook(lambda _head, _inputs, output: seen.append(tuple(output.shape)))
    log_probabilities(model, PairCollator(padding=0)(ROWS))
    model(input_ids=tensor([[5, 6]]))
    assert seen == [(9, model.config.vocab_size), (1, 2, model.config.vocab_size)]


def test_a_model_that_hides_its_head_is_asked_for_all_logits(monkeypatch: pytest.MonkeyPatch):
    model = tiny_model()
    expected = log_probabilities(model, PairCollator(padding=0)(ROWS))[0]
    monkeypatch.setattr(model, "get_output_embeddings", lambda: None)
    assert torch.allclose(log_probabilities(model, PairCollator(padding=0)(ROWS))[0], expected, atol=1e-5)


# Runs ----------------------------------------------------------------------------------------------------------------

LOSSES = {"orpo": (orpo, {"strength": 0.1}), "simpo": (simpo, {"beta": 2.0, "margin": 1.0}),
          "cpo": (cpo, {"beta": 0.1, "imitation": 1.0})}  # fmt: skip


@pytest.mark.parametrize("strategy", LOSSES)
def test_the_first_loss_is_that_of_the_untuned_model(tiny: Path, tmp_path: Path, strategy: str):
    more = {"strategy": strategy, "train": {"steps": 1, "batch_size": 12}}
    ready = session(plan(MANAGER, tiny, tmp_path, "preference", more), MANAGER)
    sums, lengths = log_probabilities(tiny_model(), PairCollator(padding=0)(list(ready.data.train)))
    loss, settings = LOSSES[strategy]
    expected = loss(Pairs(*sums.chunk(2), *lengths.chunk(2)), **settings).mean().item()
    ready.trainer.train()
    assert ready.trainer.state.log_history[0]["loss"] == pytest.approx(expected, abs=1e-4)


def test_a_smaller_micro_batch_gives_the_same_losses(tiny: Path, tmp_path: Path):
    def losses(folder: str, micro: int) -> list[float]:
        (tmp_path / folder).mkdir()
        more = {"strategy": "orpo", "train": {"micro_batch_size": micro}}
        ready = session(plan(MANAGER, tiny, tmp_path / folder, "preference", more), MANAGER)
        ready.trainer.train()
        return [entry["loss"] for entry in ready.trainer.state.log_history if "loss" in entry]

    assert losses("parts", 2) == pytest.approx(losses("whole", 4), abs=1e-4)


def test_what_judging_sees_does_not_go_into_the_numbers_of_a_step(ftcore: Terminal, tiny: Path, tmp_path: Path):
    rows = [{"prompt": f"say {n}", "chosen": "yes" * (n % 3 + 1), "rejected": f"no {n}"} for n in range(16)]
    line = ("run", "--model", tiny, "--data", write_rows(tmp_path / "rows.jsonl", rows), "--strategy", "simpo",
            "--train.steps", 4, "--train.batch_size", 3, "--evaluate.holdout", 4, "--evaluate.generate", 0)  # fmt: skip
    assert ftcore(*line, "--out", "plain").code == 0
    assert ftcore(*line, "--evaluate.every", 1, "--out", "judged").code == 0
    plain, judged = ([json.loads(row) for row in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
                     for name in ("plain", "judged"))  # fmt: skip
    numbers = [[(row["accuracy"], row["margin"]) for row in rows if "loss" in row] for rows in (plain, judged)]
    assert numbers[0] == numbers[1]
    assert len(numbers[0]) == 4
