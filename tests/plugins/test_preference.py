"""The evaluator `preference`: what it says of held-out pairs is what each pair says by itself, unpadded."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch
from torch import tensor

from ftcore.errors import Interrupted
from ftcore.events import PhaseAdvanced, PhaseStarted
from ftcore.manager import PluginManager
from ftcore.testing.runs import plan, session
from ftcore_plugins.evaluation.evaluators import Loss, Samples, SamplesConfig
from ftcore_plugins.evaluation.preference import MAX_TOKENS, Preference, _batches

MANAGER = PluginManager.discover()
SIDES = ("chosen_ids", "rejected_ids")


@pytest.fixture
def ready(tiny: Path, tmp_path: Path) -> Any:
    """A session before its first step, with eight pairs held out."""
    more = {"strategy": "dpo", "evaluate": {"holdout": 8}}
    return session(plan(MANAGER, tiny, tmp_path, "preference", more), MANAGER)


def a_token(model: Any, prompt: list[int], answer: list[int]) -> float:
    """The mean log-probability of an answer's tokens, one row at a time."""
    with torch.no_grad():
        logs = model(input_ids=tensor([prompt + answer])).logits[0].float().log_softmax(dim=-1)
    return fmean(logs[len(prompt) - 1 + place, token].item() for place, token in enumerate(answer))


def test_the_likelier_answer_a_token_is_the_preferred_one(ready: Any):
    margins = [
        a_token(ready.model, row["prompt_ids"], row["chosen_ids"])
        - a_token(ready.model, row["prompt_ids"], row["rejected_ids"])
        for row in ready.data.heldout
    ]
    said = Preference().evaluate(ready).metrics
    assert said["margin"] == pytest.approx(fmean(margins), abs=1e-4)
    assert said["accuracy"] == sum(margin > 0 for margin in margins) / 8


def test_a_reward_model_is_asked_for_its_scores(ready: Any):
    from transformers import AutoModelForSequenceClassification

    config = copy.deepcopy(ready.model.get_base_model().config)
    config.num_labels = 1
    torch.manual_seed(0)
    judge = AutoModelForSequenceClassification.from_config(config)
    judging = dataclasses.replace(ready, model=judge)
    with torch.no_grad():
        scores = [
            [judge(input_ids=tensor([row["prompt_ids"] + row[side]])).logits.item() for side in SIDES]
            for row in ready.data.heldout
        ]
    margins = [chosen - rejected for chosen, rejected in scores]
    said = Preference().evaluate(judging).metrics
    assert said["margin"] == pytest.approx(fmean(margins), abs=1e-5)
    assert said["accuracy"] == sum(margin > 0 for margin in margins) / 8
    assert judging.samples() == [], "it writes nothing"


def test_pairs_of_like_length_go_together_and_none_is_lost():
    pairs = [{"prompt_ids": [1] * n, "chosen_ids": [2], "rejected_ids": [3, 4]} for n in (5, 900, 40, 2000, 7, 300, 41)]
    found = list(_batches(pairs))
    lengths = [len(pair["prompt_ids"]) for batch in found for pair in batch]
    assert lengths == [2000, 900, 300, 41, 40, 7, 5]
    assert all(2 * len(batch) * (len(batch[0]["prompt_ids"]) + 2) <= MAX_TOKENS for batch in found if len(batch) > 1)
    assert [len(batch) for batch in found] == [1, 1, 3, 2]


def test_it_shows_how_far_it_is_and_heeds_a_signal(ready: Any):
    heard: list[Any] = []
    ready.announcer.listen(heard.append)
    Preference().evaluate(ready)
    assert heard == [PhaseStarted("comparing held-out pairs", 8), PhaseAdvanced(8)]
    ready.stop_signal = 2
    with pytest.raises(Interrupted):
        Preference().evaluate(ready)


def test_a_preference_loss_has_no_perplexity_and_answers_can_be_read(ready: Any):
    assert Loss().evaluate(ready).metrics.keys() == {"loss"}
    [first, *_] = Samples(SamplesConfig(count=2)).evaluate(ready).samples
    assert first.prompt.startswith("say ")
    assert first.reference == first.prompt.removeprefix("say ")
