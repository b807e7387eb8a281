"""`kto` computes what a plain TRL script computes over the same rows in the same order, and takes pairs too."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from ftcore.manager import PluginManager
from ftcore.testing.runs import must_resume_exactly, plan, session
from ftcore_plugins.kto.config import KtoConfig
from ftcore_plugins.kto.rows import Judged
from tests.conftest import Terminal, write_rows
from tests.plugins.trl_script import ftcore_losses, lora_config, said, trl_losses

MANAGER = PluginManager.discover()


def feedback(good: int = 12, bad: int = 12) -> list[dict[str, Any]]:
    """Every other answer is a good one, as long as there are both."""
    rows = [{"prompt": f"say {n}", "completion": f"certainly, {n}", "label": True} for n in range(good)]
    rows += [{"prompt": f"say {n}", "completion": f"not {n} again", "label": False} for n in range(bad)]
    return sorted(rows, key=lambda row: int(row["prompt"][4:]))


# As TRL --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("kind", ["feedback", "preference"])
def test_the_first_losses_equal_those_of_a_plain_trl_script(ftcore: Terminal, tiny: Path, tmp_path: Path, kind, method):
    from trl import KTOConfig, KTOTrainer

    rows = feedback()
    if kind == "preference":
        pairs = zip(rows[::2], rows[1::2], strict=True)
        given = [{"prompt": a["prompt"], "chosen": a["completion"], "rejected": b["completion"]} for a, b in pairs]
    ours = ftcore_losses(
        ftcore, tiny, write_rows(tmp_path / "rows.jsonl", rows if kind == "feedback" else given), "kto", method
    )
    random.Random(42).shuffle(rows)
    roles = {"prompt": "user", "completion": "assistant"}
    talks = [{column: said(roles[column], row[column]) for column in roles} | {"label": row["label"]} for row in rows]
    theirs = trl_losses(KTOTrainer, KTOConfig, tiny, talks, lora_config() if method == "lora" else None)
    assert ours == pytest.approx(theirs, abs=1e-4)
    assert ours[-1] < ours[0]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_stopped_and_resumed_it_ends_the_same(tiny: Path, tmp_path: Path, method: str):
    must_resume_exactly(plan(MANAGER, tiny, tmp_path, "feedback", {"strategy": "kto", "method": method}), MANAGER)


@pytest.mark.parametrize("method", ["lora", "full", "adapter", "qlora", "prompt-tuning", "lisa"])
def test_before_training_nothing_is_better_or_worse_than_the_reference(tiny: Path, tmp_path: Path, method: str):
    """With the method switched off, or before it has done anything, both losses are 1 − σ(0)."""
    more = {"strategy": "kto", "method": method}
    ready = session(plan(MANAGER, tiny, tmp_path, "preference", more), MANAGER)
    if ready.plan.method.spec.switchable:
        with ready.method.disabled(ready.model):
            assert ready.heldout_loss() == pytest.approx(0.5, abs=2e-3)
    else:
        assert ready.heldout_loss() == pytest.approx(0.5, abs=1e-5)


# Rows ----------------------------------------------------------------------------------------------------------------


def judged(count: int, batch: int) -> list[dict[str, Any]]:
    rows = [{"prompt_ids": [n], "completion_ids": [100 + n], "good": n % 3 == 0} for n in range(count)]
    view = Judged(Dataset.from_list(rows), seed=7, batch=batch, mismatched=True)
    return [view[index] for index in range(len(view))]


def test_answers_are_rotated_within_their_batch():
    rows = judged(10, 4)
    answers = [row["completion_ids"] for row in rows]
    assert sorted(answers) == [[100 + n] for n in range(10)]
    assert answers != sorted(answers)
    others = [row["KL_completion_ids"] for row in rows]
    assert others[:4] == [answers[3], *answers[:3]]
    assert others[8:] == [answers[9], answers[8]]


def test_an_answer_alone_in_its_batch_is_compared_with_the_one_before():
    rows = judged(5, 4)
    assert rows[4]["KL_completion_ids"] == rows[3]["completion_ids"]


def test_a_pair_is_a_good_answer_and_a_bad_one():
    rows = Dataset.from_list([{"prompt_ids": [n], "chosen_ids": [10 + n], "rejected_ids": [20 + n]} for n in range(4)])
    view = Judged(rows, seed=7, batch=2, mismatched=False)
    found = sorted((view[index]["completion_ids"][0], view[index]["label"]) for index in range(len(view)))
    assert found == [(10 + n, True) for n in range(4)] + [(20 + n, False) for n in range(4)]
    assert "KL_completion_ids" not in view[0]


# Weights -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "good", "bad", "expected"),
    [
        ({}, 10, 10, (1, 1)),
        ({}, 30, 10, (1, 3)),
        ({}, 10, 25, (2.5, 1)),
        ({"good_weight": 2}, 30, 10, (2, 6)),
        ({"bad_weight": 2}, 10, 30, (6, 2)),
        ({"good_weight": 1, "bad_weight": 1}, 30, 10, (1, 1)),
    ],
)
def test_good_and_bad_answers_weigh_the_same_in_all_unless_told_otherwise(given, good, bad, expected):
    assert KtoConfig(**given).weights(good, bad) == expected


def test_the_weights_reach_trl(tiny: Path, tmp_path: Path):
    data = write_rows(tmp_path / "rows.jsonl", feedback(6, 18))
    more = {"strategy": "kto", "data": str(data), "evaluate": {"holdout": 0}}
    ready = session(plan(MANAGER, tiny, tmp_path, "feedback", more), MANAGER)
    assert (ready.trainer.desirable_weight, ready.trainer.undesirable_weight) == (3, 1)
    said = [finding.message for finding in ready.plan.findings]
    assert "6 good and 18 bad answers: a good one weighs 3, a bad one 1" in said


@pytest.mark.parametrize(("good", "bad", "there"), [(12, 0, "good"), (0, 12, "bad")])
def test_answers_of_one_kind_are_refused(ftcore: Terminal, tiny: Path, tmp_path: Path, good: int, bad: int, there: str):
    data = write_rows(tmp_path / "rows.jsonl", feedback(good, bad))
    result = ftcore("plan", "--strategy", "kto", "--model", tiny, "--data", data)
    assert result.code == 2
    assert f"all 12 answers are {there}: kto learns what tells good answers from bad ones" in result.err
    assert f"try: add rows with {'bad' if there == 'good' else 'good'} answers" in result.err
    assert ftcore("data", "preview", "--strategy", "kto", "--model", tiny, "--data", data).code == 0


@pytest.mark.parametrize("more", [(), ("--data.bad_rows", "drop")])
@pytest.mark.parametrize("column", ["label", "rating"])
def test_ratings_are_no_labels_of_which_some_could_be_dropped(
    ftcore: Terminal, tiny: Path, tmp_path: Path, column, more
):
    rows = [{"prompt": f"say {n}", "completion": f"{n}", column: n % 5 + 1} for n in range(10)]
    data = write_rows(tmp_path / "rows.jsonl", rows)
    result = ftcore("plan", "--strategy", "kto", "--model", tiny, "--data", data, *more)
    assert result.code == 3
    assert f"rows.jsonl:2: {column} is 2, which looks like a rating" in result.err
    assert "drop" not in result.err


# The plan ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "fix"),
    [
        (("--train.micro_batch_size", 1), "--train.micro_batch_size 2"),
        (("--train.batch_size", 1), "--train.batch_size 8"),
    ],
)
def test_a_batch_of_one_is_refused(ftcore: Terminal, tiny: Path, tmp_path: Path, flags: Any, fix: str):
    data = write_rows(tmp_path / "rows.jsonl", feedback())
    result = ftcore("plan", "--strategy", "kto", "--model", tiny, "--data", data, *flags)
    assert result.code == 2
    assert "it needs two at once" in result.err
    assert f"try: {fix}" in result.err
    without = ftcore("plan", "--strategy", "kto", "--strategy.loss", "apo_zero_unpaired", "--model", tiny,
                     "--data", data, *flags)  # fmt: skip
    assert without.code == 0, without.err
